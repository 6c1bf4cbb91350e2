import { describe, expect, it } from 'vitest'
import { createPartRoom } from '../../src/store/part-room.ts'

/** A room for 100 bytes and holders in it, which let go of all they hold when they are told to send. */
function openTest() {
  const room = createPartRoom(100)
  const sent: string[] = []
  const offer = (name: string, bytes: number) => {
    room.hold(bytes)
    const holder = {
      sendableBytes: bytes,
      send() {
        sent.push(name)
        room.hold(-bytes)
      },
    }
    room.offer(holder)
    return holder
  }
  return { room, sent, offer }
}

describe('createPartRoom', () => {
  it('lets writers hold back what there is room for', () => {
    const { room, sent, offer } = openTest()
    offer('a', 60)
    room.hold(40)
    expect(sent).toEqual([])
  })

  it('has the largest send until there is room, those that offered nothing not being asked', () => {
    const { room, sent, offer } = openTest()
    offer('small', 20)
    offer('large', 50)
    offer('middle', 30)
    room.hold(40)
    expect(sent).toEqual(['large'])
    room.hold(20)
    expect(sent).toEqual(['large', 'middle'])
    room.hold(500)
    expect(sent).toEqual(['large', 'middle', 'small'])
    room.hold(500)
    expect(sent).toHaveLength(3)
  })

  it('asks nobody that took its offer back', () => {
    const { room, sent, offer } = openTest()
    room.withdraw(offer('large', 60))
    offer('small', 10)
    room.hold(50)
    expect(sent).toEqual(['small'])
  })
})

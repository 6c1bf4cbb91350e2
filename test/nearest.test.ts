import { describe, expect, it } from 'vitest'
import { nearest } from '../src/nearest.ts'

const names = ['memoryBytes', 'maxCount', 'idle', 'value-avro']

describe('nearest', () => {
  it.each([
    { word: 'maxCuont', near: 'maxCount', because: 'two neighbours exchanged are one step' },
    { word: 'maxcount', near: 'maxCount', because: 'case does not count' },
    { word: 'value_avro', near: 'value-avro', because: 'a dash may be an underscore' },
    { word: 'idel', near: 'idle', because: 'a short name may have one step' },
    { word: 'iedel', near: undefined, because: 'a short name may not have two' },
    { word: 'memryByes', near: 'memoryBytes', because: 'a long name may have more' },
    { word: 'compression', near: undefined, because: 'nothing is near' },
    { word: '', near: undefined, because: 'nothing was written' },
  ])('gives $near for "$word": $because', ({ word, near }) => {
    expect(nearest(word, names)).toBe(near)
  })

  it('gives nothing where there is nothing to choose from', () => {
    expect(nearest('idle', [])).toBeUndefined()
  })
})

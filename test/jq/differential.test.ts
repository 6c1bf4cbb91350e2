import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileJq } from '../../src/jq/jq.ts'
import type { JqValue } from '../../src/jq/value.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { forJq, forOurs } from './corrected.ts'
import { jqPrograms, jsonInputs } from './programs.ts'
import { type RealJq, openRealJq, realJqMissing } from './real-jq.ts'
import { asJson, guarded } from './values.ts'

const PROGRAMS_A_RUN = 12
const INPUTS_A_RUN = 10
const RUNS = 12
const LIMIT_MS = 300_000

/** jq 1.6 says "errror" for times that are too far away. Zero is one here, whatever its sign. */
const corrected = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll('errror', 'error'))

describe.skipIf(realJqMissing())('random programs over random values', () => {
  let jq: RealJq
  beforeAll(async () => {
    jq = await openRealJq()
  }, GET_LIMIT_MS)

  /** Of each input that jq has an answer for: what each program makes of it. jq 1.6 has memory errors, and leaves some inputs out. */
  async function answersOf(programs: readonly string[], inputs: readonly unknown[]): Promise<readonly (readonly unknown[])[]> {
    const program = `.at as $at | .value | [$at, ${programs.map(guarded).join(', ')}]`
    try {
      const { lines } = await jq(
        forJq(program),
        inputs.map((value, at) => ({ at, value })),
      )
      return lines.map((line) => JSON.parse(line) as unknown[])
    } catch (error) {
      if (error instanceof Error && /ended with (?:SIGSEGV|SIGABRT)/u.test(error.message)) return []
      throw error
    }
  }

  it(
    'give what jq gives',
    async () => {
      let compared = 0
      await fc.assert(
        fc.asyncProperty(
          fc.array(jqPrograms, { minLength: PROGRAMS_A_RUN, maxLength: PROGRAMS_A_RUN }),
          fc.array(jsonInputs, { minLength: INPUTS_A_RUN, maxLength: INPUTS_A_RUN }),
          async (programs, inputs) => {
            const compiled = programs.map((program) => compileJq(forOurs(guarded(program))))
            for (const [at, ...answers] of await answersOf(programs, inputs)) {
              const input = inputs[at as number] as JqValue
              const ours = compiled.map((program) => corrected(asJson(program.first(input)!)))
              compared += ours.length
              expect({ programs, input, outputs: ours }).toEqual({ programs, input, outputs: corrected(answers) })
            }
          },
        ),
        // Shrinking starts jq again and again, and for programs joined by chance gives little. JQ_SEED runs those of a failure again.
        {
          numRuns: RUNS,
          endOnFailure: true,
          ...(process.env['JQ_SEED'] !== undefined && { seed: Number(process.env['JQ_SEED']) }),
        },
      )
      expect(compared).toBeGreaterThan((RUNS * PROGRAMS_A_RUN * INPUTS_A_RUN) / 2)
    },
    LIMIT_MS,
  )
})

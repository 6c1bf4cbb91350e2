import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

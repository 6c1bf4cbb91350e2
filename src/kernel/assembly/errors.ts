/** Results below 0. `../fault.ts` has the same numbers; those of JSON begin at -100. */
export const TRUNCATED: i32 = -1
export const VARINT_TOO_LONG: i32 = -2
export const UNSAFE_INTEGER: i32 = -3
export const LENGTH_INVALID: i32 = -4
export const UNION_INVALID: i32 = -5
export const POSITION_NOT_RISING: i32 = -6
export const TRAILING_BYTES: i32 = -7
export const OUTPUT_FULL: i32 = -8
export const HEADERS_FULL: i32 = -9
export const COLUMNS_INVALID: i32 = -10
export const COPY_INVALID: i32 = -11
export const CHECKSUM_WRONG: i32 = -12
export const FRAME_INVALID: i32 = -13
export const RECORD_LENGTH_WRONG: i32 = -14
export const OFFSET_INVALID: i32 = -15

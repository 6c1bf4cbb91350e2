/** Why a text is refused; `src/encode/json-lines-errors.ts` has the same numbers and says them in words. */

// What was expected; where the input or the line ends there, ENDS_EARLY is said instead.
export const VALUE_EXPECTED: i32 = 1
export const OBJECT_EXPECTED: i32 = 2
export const NAME_EXPECTED: i32 = 3
export const COLON_EXPECTED: i32 = 4
export const COMMA_EXPECTED: i32 = 5
export const LINE_END_EXPECTED: i32 = 6
export const BODY_EXPECTED: i32 = 7
export const BODY_END_EXPECTED: i32 = 8
export const TEXT_EXPECTED: i32 = 9
export const HEADERS_EXPECTED: i32 = 10
export const HEADER_EXPECTED: i32 = 11
export const CONTROL_CHARACTER: i32 = 12
export const ENDS_EARLY: i32 = 13

export const ESCAPE_INVALID: i32 = 14
export const SURROGATE_ALONE: i32 = 15
export const UTF8_INVALID: i32 = 16
export const NUMBER_INVALID: i32 = 17
export const TOO_DEEP: i32 = 18
export const TIMESTAMP_INVALID: i32 = 19
export const BASE64_INVALID: i32 = 20
export const PROPERTY_TWICE: i32 = 21
export const PROPERTY_UNKNOWN: i32 = 22
export const HEADER_PROPERTY_UNKNOWN: i32 = 23
export const HEADER_NAME_MISSING: i32 = 24
export const HEADER_NAMED_TWICE: i32 = 25
export const TOO_MANY_NAMED_HEADERS: i32 = 26
export const MESSAGE_TOO_LARGE: i32 = 27
/** No mistake: the columns are full, and the rest is for another call. */
export const COLUMNS_FULL: i32 = 28
export const POSITION_MISSING: i32 = 29

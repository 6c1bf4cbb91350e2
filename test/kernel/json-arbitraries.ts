import * as fc from 'fast-check'

/** Mostly what is right, sometimes what is not. */
const mostly = (right: fc.Arbitrary<string>, wrong: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 30, arbitrary: right }, { weight: 1, arbitrary: wrong })

const space = fc.constantFrom('', '', '', ' ', '\t', ' \r')
const textParts = fc.constantFrom(
  'a',
  'é',
  '€',
  '😀',
  '\\n',
  '\\u00e9',
  '\\ud83d\\ude00',
  '\\/',
  '\\"',
  '\\\\',
  '\\b',
  '\u2028',
  '\u007f',
)
const rightText = fc.oneof(
  fc.string({ maxLength: 40 }).map((plain) => JSON.stringify(plain)),
  fc.string({ unit: 'binary', maxLength: 40 }).map((plain) => JSON.stringify(plain)),
  fc.array(textParts, { maxLength: 40 }).map((parts) => `"${parts.join('')}"`),
)
const text = mostly(
  rightText,
  fc.constantFrom('"\\ud83d"', '"\\ude00\\ud83d"', '"\\ud83d\\n"', '"\\x"', '"\\u00g0"', '"\u0001"', '"a', '1', '{}'),
)
const base64 = mostly(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => JSON.stringify(Buffer.from(bytes).toString('base64')).replace('B', '\\u0042')),
  fc.constantFrom('"AB=="', '"AA="', '"A"', '"AAA=AAAA"', '"===="', '"é==="', '"-_=="', '"AAE="', '"AAF="', '"AA==', '1'),
)
const scalar = mostly(
  fc.oneof(
    fc.constantFrom('null', 'true', 'false', '0', '-0', '-1.5e+10', '1E5', '0.0', '1e-0', '""'),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  ),
  fc.constantFrom('01', '1.', '-', '.5', 'nul', 'NaN', '0x1', '1e', '+1', 'tru', 'fals', '-01', '1e+', 'nulL', '\ufeff1'),
)
const time = mostly(
  fc.oneof(
    fc.maxSafeInteger().map(String),
    fc.constantFrom(
      '-9007199254740991',
      '9007199254740991',
      '-0',
      'null',
      '"2024-02-29t23:59:59z"',
      '"0000-01-01T00:00:00+23:59"',
    ),
    fc.constantFrom('"2024-01-01T00:00:00.123456-08:30"', '"1969-12-31T23:59:59.9Z"', '"2000-02-29T00:00:00.01\\u005a"'),
    fc
      .date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
      .map((date) => JSON.stringify(date.toISOString())),
  ),
  fc.oneof(
    fc.constantFrom(
      '9007199254740992',
      '-9007199254740992',
      '99999999999999999999',
      '00',
      '1.0',
      '1e3',
      '"1"',
      '"2024-02-30T00:00:00Z"',
      '-',
    ),
    fc.constantFrom(
      '"2023-02-29T00:00:00Z"',
      '"1900-02-29T00:00:00Z"',
      '"2024-01-01T24:00:00Z"',
      '"2016-12-31T23:59:60Z"',
      'true',
    ),
    fc.constantFrom('"2024-01-01T00:00:00"', '"2024-01-01T00:00:00.Z"', '"2024-1-01T00:00:00Z"', '"2024-01-01 00:00:00Z"'),
    fc.constantFrom('"2024-01-01T00:00:00+24:00"', '"2024-01-01T00:00:00ZZ"', '"2024-04-31T00:00:00Z"', '"2024-13-01T00:00:00Z"'),
  ),
)
const listed = (parts: readonly string[][], open: string, close: string) =>
  `${open}${parts.map((part) => part.join('')).join(',')}${close}`
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(scalar, text),
    fc.array(fc.tuple(space, tie('json'), space), { maxLength: 4 }).map((all) => listed(all, '[', ']')),
    fc
      .array(fc.tuple(space, text, space, fc.constant(':'), space, tie('json'), space), { maxLength: 4 })
      .map((all) => listed(all, '{', '}')),
  ),
}))
const nullOr = (some: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 4, arbitrary: some }, { weight: 1, arbitrary: fc.constant('null') })
const member = (name: string, value: fc.Arbitrary<string>) => value.map((raw) => `"${name}":${raw}`)
const headerMembers = [
  fc.oneof(member('name', text), member('nameBase64', base64)),
  fc.oneof(member('value', nullOr(text)), member('valueBase64', nullOr(base64))),
]
const header = mostly(
  fc.shuffledSubarray(headerMembers, { minLength: 1 }).chain((some) => fc.tuple(...some).map((all) => `{${all.join(', ')}}`)),
  fc.constantFrom(
    '{}',
    '[]',
    '{"name":"a","nameBase64":""}',
    '{"name":null}',
    '{"name":"a","valeu":"b"}',
    '{"name":"a","value":1}',
    '{"name":"a",}',
  ),
)
const headers = mostly(
  fc.oneof(
    fc.array(header, { maxLength: 4 }).map((all) => `[${all.join(',')}]`),
    fc.array(fc.tuple(text, fc.constant(': '), nullOr(text)), { maxLength: 4 }).map((all) => listed(all, '{', '}')),
    fc.constant('null'),
  ),
  fc.constantFrom('{"a":"1","\\u0061":"2"}', '{"a":1}', '"a"', '[{"name":"a"},]', '[', '{"a"}', '1'),
)
const members = [
  fc.oneof(member('key', nullOr(text)), member('keyBase64', nullOr(base64))),
  fc.oneof(
    member('value', json),
    member('valueText', nullOr(text)),
    member('valueBase64', nullOr(base64)),
    member('v\\u0061lue', json),
  ),
  fc.oneof(member('id', nullOr(text)), member('idBase64', base64)),
  member('headers', headers),
  member('timestamp', time),
  member('topic', json),
  member('lane', text),
  member('position', json),
]
const wrongMembers = [
  member('key', text),
  member('valueText', text),
  member('vaule', json),
  member('name', text),
  member('', text),
]
const envelope = fc
  .tuple(
    space,
    fc.shuffledSubarray(members),
    fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray(wrongMembers) }),
  )
  .chain(([gap, some, wrong]) =>
    fc.tuple(...some, ...wrong).map((all) => `${gap}{${gap}${all.join(`${gap},${gap}`)}${gap}}${gap}`),
  )
const line = fc.oneof(
  { weight: 30, arbitrary: envelope },
  { weight: 1, arbitrary: fc.constantFrom('', '\r', '  ', '[]', '1', '{}{}', '{},', '{,}', '{"key"}', '{}\0') },
)
/** Some lines, most of them right. */
export const lines = fc.array(line, { maxLength: 5 }).map((all) => Buffer.from(all.join('\n')))
/** Lines with up to three bytes flipped, put in or taken out. */
export const damaged = fc
  .tuple(
    lines,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom('flip', 'cut', 'put'), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([bytes, damages]) => damages.reduce(damage, bytes))

function damage(bytes: Buffer, [place, how, byte]: [number, string, number]): Buffer {
  const at = place % (bytes.length + 1)
  const before = bytes.subarray(0, at)
  if (how === 'put') return Buffer.concat([before, Buffer.from([byte]), bytes.subarray(at)])
  return how === 'cut'
    ? Buffer.concat([before, bytes.subarray(at + 1)])
    : Buffer.concat([before, Buffer.from([byte]), bytes.subarray(at + 1)])
}

const content = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary', maxLength: 40 }).map((plain) => Buffer.from(plain)),
  json.map((plain) => Buffer.from(plain)),
  fc
    .constantFrom('null', ' 1', '1 ', '"\u2028"', '{"a":1}\n', '[1,\n2]', '[1,\r2]', '\0', '"\0"', '{"a":"\\ud800"}', '')
    .map((plain) => Buffer.from(plain)),
)
const headerContent = fc.record({ name: content.map((bytes) => bytes ?? Buffer.alloc(0)), value: content })
const message = fc.record({
  timestamp: fc.maxSafeInteger(),
  key: content,
  value: content,
  id: content,
  headers: fc.array(headerContent, { maxLength: 4 }),
})
/** Messages of any bytes, many of them JSON. */
export const messages = fc
  .array(message, { maxLength: 6 })
  .map((all) => all.map((one, index) => Object.assign(one, { position: index * 1_234_567_890_123 })))

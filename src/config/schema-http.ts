import { z } from 'zod'
import { createSecret } from '../secret.ts'
import { DAY_MS, duration, listOf, MiB, oneOf, optionalNumber, optionalPath, optionalText, section } from './fields.ts'
import { secretText, sectionList, size, text, truth, wholeNumber } from './fields.ts'

const SCOPES = ['write', 'read', 'replay', 'admin'] as const

const grant = section(
  {
    scope: z
      .enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` })
      .meta({ description: '`write` puts messages, `read` searches, `replay` runs jobs, `admin` holds all of them.' }),
    topics: listOf(['*'], 'topic names or patterns', 'Where the scope holds. `*` stands for any text within a name.'),
  },
  'What may be done, and with which topics.',
)

const key = section(
  {
    name: z
      .string({ error: 'must be text' })
      .regex(/^[\w.@-]{1,64}$/u, { error: 'must be 1 to 64 letters, digits or any of . _ @ -' })
      .meta({
        description: 'What the audit log, limits and jobs call the caller. Several keys may have one name, for rotation.',
      }),
    key: z
      .string({ error: 'must be text' })
      .regex(/^(?:sha256:[\da-fA-F]{64}|[\u0021-\u007e]{16,})$/u, {
        error: 'must be sha256: and 64 hexadecimal digits, or at least 16 printable characters without spaces',
      })
      .transform(createSecret)
      .meta({
        description:
          'The key, best as `sha256:…` (`millpond keys new` prints it), `${file:/run/secrets/…}` or `${MILLPOND_KEY}`. It comes as `Authorization: Bearer`, as `x-api-key`, or as the password of HTTP Basic.',
      })
      .optional(),
    certificate: optionalText('Instead of a key: the common name (CN) of a client certificate that `http.tls.ca` vouches for.'),
    scopes: sectionList(grant, 'scopes', 'What the caller may do. Without any: nothing but `/readyz` and `/metrics`.'),
    expires: z
      .string({ error: 'must be a time' })
      .refine((value) => !Number.isNaN(Date.parse(value)), { error: 'must be a time like 2027-01-31T00:00:00Z' })
      .meta({ description: 'From when on the key is refused (RFC 3339). Without it: never.' })
      .optional(),
  },
  'A key and what it opens.',
)

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const

const claimGrant = section(
  {
    claim: text('groups', 'The claim that is looked at; a path with points (`realm_access.roles`) leads into objects.'),
    value: optionalText('The text that the claim is, or has among its words or its list.'),
    scopes: z
      .array(z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` }), { error: 'must be a list of scopes' })
      .meta({ description: 'What a caller with that value may do.' })
      .default([]),
    topics: listOf(['*'], 'topic names or patterns', 'With which topics.'),
  },
  'What a value of a claim gives.',
)

const oidc = section(
  {
    issuer: optionalText('The `iss` of tokens, exactly; its `/.well-known/openid-configuration` says where its keys are.'),
    audience: listOf([], 'audiences', 'One of these must be in the `aud` of a token.'),
    jwksUrl: optionalText("Where the issuer's keys are, if not where its discovery says."),
    algorithms: z
      .array(z.enum(ALGORITHMS, { error: `must be one of ${ALGORITHMS.join(', ')}` }), { error: 'must be a list of algorithms' })
      .min(1, { error: 'must not be empty' })
      .meta({ description: 'The signatures that are taken: those of public keys alone, never `none` or `HS256`.' })
      .default(['RS256', 'PS256', 'ES256', 'EdDSA']),
    clockTolerance: duration(0, 600_000, 'How far the clocks of issuer and service may differ.').default('30s'),
    scopesClaim: text('scope', 'The claim with scopes such as `millpond.read`, or `millpond.read:orders*` for some topics.'),
    scopePrefix: text('millpond.', 'What such scopes begin with; others are left out.'),
    topicsClaim: optionalText('A claim with topic patterns, in which alone scopes hold that name no topics themselves.'),
    grants: sectionList(claimGrant, 'grants', 'What values of claims (roles, groups) give, beside scopes.'),
    nameClaim: text('sub', 'The claim that names the caller in the audit log, limits and jobs.'),
    timeout: duration(100, 60_000, 'The longest time for one answer of the issuer.').default('5s'),
    refresh: duration(1000, 30 * DAY_MS, 'How old its keys may grow before they are fetched anew.').default('15m'),
    cooldown: duration(
      100,
      DAY_MS,
      'The shortest time between two fetches, however many tokens name keys that are not known.',
    ).default('30s'),
    keepKeys: duration(1000, 365 * DAY_MS, 'How long keys are used when the issuer cannot be reached.').default('1d'),
  },
  'Tokens (JWT) of an OpenID Connect issuer, as `Authorization: Bearer`.',
)

const tls = section(
  {
    certificate: optionalPath('The certificate with its chain, PEM. With it the service speaks TLS.'),
    key: optionalPath("The certificate's key, PEM."),
    passphrase: secretText('Opens the key.'),
    ca: optionalPath('The authority of client certificates, PEM. With it clients are asked for one.'),
    clientCertificates: oneOf(
      ['request', 'require'],
      'require',
      '`require` refuses connections without one, `request` lets in who has a key or token instead.',
    ),
    minVersion: oneOf(['TLSv1.2', 'TLSv1.3'], 'TLSv1.2', 'The oldest version that is spoken.'),
    reload: duration(100, DAY_MS, 'How often the files are looked at; new ones serve the connections that come then.').default(
      '10s',
    ),
  },
  'TLS of the HTTP interface.',
)

const audit = section(
  {
    type: oneOf(
      ['auto', 'file', 'none'],
      'auto',
      'Where calls are recorded that change or reveal something, and those that were refused. `auto` is `none` on loopback addresses and `file` on all others.',
    ),
    path: optionalPath('The file, JSON lines. Without it: `audit.jsonl` in the `data` folder.'),
    rotateBytes: size(4096, 1024 * 1024 * MiB, 'The file gets a new name with the time when it is larger.').default('100 MiB'),
    onFailure: oneOf(
      ['refuse-changes', 'refuse-all', 'go-on'],
      'refuse-changes',
      'When the file cannot be written: `refuse-changes` refuses replays and administration, `refuse-all` searches too.',
    ),
    puts: truth(false, 'Whether messages that are put are recorded too, a line a request.'),
    hashKey: secretText(
      'Values of queries stand in the file as HMAC-SHA-256 under this key; whoever has it can look for a value. Without it: a new one each start.',
    ),
  },
  'The audit log.',
)

const callerLimits = section(
  {
    name: z
      .string({ error: 'must be text' })
      .min(1, { error: 'must be the name of a caller' })
      .meta({ description: 'Its name: that of its key, or what its token says of it (`http.oidc.nameClaim`).' }),
    rate: optionalNumber(1, 1_000_000, 'Requests a second. Without it: as others.'),
    burst: optionalNumber(
      1,
      1_000_000,
      'Requests that may come at once after a pause. Without it: as `rate`, where that is given here.',
    ),
    concurrent: optionalNumber(1, 65_535, 'Requests under way at once. Without it: as others.'),
  },
  'A caller with limits of its own.',
)

const limits = section(
  {
    rate: optionalNumber(1, 1_000_000, 'Requests a second of one caller. Without it: no limit.'),
    burst: optionalNumber(1, 1_000_000, 'Requests that may come at once after a pause. Without it: as `rate`.'),
    concurrent: optionalNumber(1, 65_535, 'Requests of one caller that are under way at once. Without it: no limit.'),
    callers: sectionList(callerLimits, 'callers', 'Callers for whom other limits hold.'),
    refusedPerMinute: wholeNumber(
      1,
      1_000_000,
      60,
      'Requests without a right key or token from one address; past it none of its requests is looked at.',
    ),
  },
  'How much a caller may ask. What is more is answered 429.',
)

/** The section `http`. */
export const httpSection = section(
  {
    host: text('127.0.0.1', 'The address to listen at. Every address but the loopback ones needs a `token`, `keys` or `oidc`.'),
    port: wholeNumber(0, 65_535, 7070, 'The port to listen at; 0 takes a free one.'),
    token: z
      .string({ error: 'must be text' })
      .regex(/^[\u0021-\u007e]{8,}$/u, { error: 'must be at least 8 printable characters without spaces' })
      .transform(createSecret)
      .meta({
        description:
          'A key named `token` that may do everything; `keys` are finer. Best `${file:/run/secrets/…}` or `${MILLPOND_TOKEN}`.',
      })
      .optional(),
    keys: sectionList(key, 'keys', 'Who may call, and what they may; see [security.md](security.md).'),
    oidc,
    tls,
    behindProxy: truth(
      false,
      'Whether every request comes from a proxy of yours: then the last address of its `x-forwarded-for` is taken for the caller’s.',
    ),
    openProbes: truth(false, 'Whether `/readyz` and `/metrics` answer whoever asks, as `/healthz` always does.'),
    cors: section(
      { origins: listOf([], 'origins', 'Pages that browsers let call this service, like `https://console.example`, exactly.') },
      'Calls from web pages.',
    ),
    limits,
    audit,
    maxBodyBytes: size(1024, 1024 * MiB, 'The largest request body.').default('64 MiB'),
    maxMessageBytes: size(1, 1024 * MiB, 'The largest message: key, value, headers and id together.').default('16 MiB'),
    maxConnections: wholeNumber(1, 65_535, 1024, 'Connections that are open at once; more are turned away.'),
    requestTimeout: duration(100, DAY_MS, 'Within what time a whole request must have come.').default('60s'),
  },
  'The HTTP interface of `millpond serve`.',
)

import { DAY_MS, duration, listOf, optionalPath, optionalText, section, secretText, truth, wholeNumber } from './fields.ts'

const tls = section(
  {
    ca: optionalPath("File of the authority that signed the registry's certificate, PEM. Without it: those that Node knows."),
    certificate: optionalPath('File of the own certificate, PEM, for registries that ask for one.'),
    key: optionalPath("File of the certificate's key, PEM."),
    passphrase: secretText('Opens the key.'),
    serverName: optionalText("The name in the registry's certificate, where it is not its host."),
    verify: truth(true, 'False takes any certificate: for tests alone.'),
  },
  'TLS to the registry, for addresses with `https:`.',
)

/** The schema registry that values name their schemas by. */
export const registrySection = section(
  {
    urls: listOf(
      [],
      'addresses',
      'Addresses of one registry, like `http://localhost:8081`; the next is asked where one does not answer. Without any: no registry.',
    ),
    username: optionalText('For basic authentication; for Confluent Cloud the API key.'),
    password: secretText('For basic authentication. Best `${file:/run/secrets/…}` or `${REGISTRY_PASSWORD}`.'),
    token: secretText('A bearer token.'),
    tokenFile: optionalPath('A file with a bearer token that something else keeps fresh; read for every request.'),
    timeout: duration(100, DAY_MS, 'The longest time for one answer.').default('10s'),
    cache: wholeNumber(10, 100_000, 1000, 'Schemas that are remembered.'),
    tls,
  },
  "The schema registry, with the API of Confluent's: Avro, JSON Schema and Protobuf.",
)

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openFolder, outputOfChild } from './process.ts'

/** A certificate with its key, as PEM text. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** An authority made for one server, and whom it vouches for. */
export interface Certificates {
  /** What a client has to trust. */
  readonly ca: string
  /** Of `localhost` and 127.0.0.1. */
  readonly server: Identity
  /** Of CN `millpond-client`. */
  readonly client: Identity
}

const NEW_KEY = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc'
const OF_AUTHORITY = '-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign'

/** Makes an authority and two certificates, by openssl, good for a month. */
export async function newCertificates(): Promise<Certificates> {
  const { path, remove } = openFolder('certificates')
  try {
    return await certificatesIn(path)
  } finally {
    remove()
  }
}

async function certificatesIn(folder: string): Promise<Certificates> {
  const openssl = (words: string) => outputOfChild('openssl', words.split(' '), { cwd: folder })
  const text = (name: string) => readFile(join(folder, name), 'utf8')
  await openssl(`req -x509 ${NEW_KEY} ${OF_AUTHORITY} -days 30 -subj /CN=millpond-test-ca -keyout ca.key -out ca.pem`)
  const issue = async (name: string, subject: string, extensions: string): Promise<Identity> => {
    await openssl(`req ${NEW_KEY} -subj ${subject} -keyout ${name}.key -out ${name}.csr`)
    await writeFile(join(folder, `${name}.ext`), extensions)
    await openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ${name}.ext -out ${name}.pem`,
    )
    return { certificate: await text(`${name}.pem`), key: await text(`${name}.key`) }
  }
  const server = await issue(
    'server',
    '/CN=localhost',
    'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n',
  )
  const client = await issue('client', '/CN=millpond-client', 'extendedKeyUsage=clientAuth\n')
  return { ca: await text('ca.pem'), server, client }
}

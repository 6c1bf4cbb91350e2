import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

const ANSWER_LIMIT_MS = 2_000

/** With which status a GET is answered; over https by who has a certificate of this authority. @throws Error where nothing answers. */
export function statusOf(url: string, ca?: string): Promise<number> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp
  return new Promise((answered, failed) => {
    request(url, { agent: false, signal: AbortSignal.timeout(ANSWER_LIMIT_MS), ...(ca !== undefined && { ca }) })
      .on('response', (response) => {
        response.resume()
        answered(response.statusCode ?? 0)
      })
      .on('error', failed)
      .end()
  })
}

// Starts a server and says where it is; what starts this kills it.
import { startToxiproxy } from './toxiproxy.ts'

const { pid, folder } = await startToxiproxy()
process.stdout.write(`${JSON.stringify({ pid, folder })}\n`)

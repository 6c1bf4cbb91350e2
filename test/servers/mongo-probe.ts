import { MongoClient } from 'mongodb'

const ANSWER_LIMIT_MS = 2_000

/** True when a server of MongoDB's protocol answers a ping. @throws Error where none answers. */
export async function answersPing(url: string, ca?: string): Promise<boolean> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: ANSWER_LIMIT_MS,
    connectTimeoutMS: ANSWER_LIMIT_MS,
    socketTimeoutMS: ANSWER_LIMIT_MS,
    ...(ca !== undefined && { ca }),
  })
  try {
    await client.db('admin').command({ ping: 1 })
    return true
  } finally {
    await client.close()
  }
}

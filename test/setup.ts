/** Stops the run at once under a Node that is too old: the wrong one gives errors that mislead. */
export function setup(): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 24) throw new Error(`tests run on Node 24 or newer, this is ${process.versions.node}: call them by "npm test"`)
}

import type { DeclaredRoute } from './auth/route-access.ts'

/** The methods that routes at the address of a request take, sorted; none where there is no such address. */
export function methodsAt(routes: readonly DeclaredRoute[], url: string): readonly string[] {
  const [path = ''] = url.split('?', 1)
  const parts = path.split('/')
  const isOf = (pattern: string): boolean => {
    const wanted = pattern.split('/')
    return wanted.length === parts.length && wanted.every((part, at) => part.startsWith(':') || part === parts[at])
  }
  return [...new Set(routes.filter((route) => isOf(route.url)).map(({ method }) => method))].sort()
}

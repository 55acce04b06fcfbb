/** The one door to the TypeScript compiler, which takes a third of a second to load: only what needs it asks for it. */
import type TypeScript from 'typescript'

export async function loadTypeScript(): Promise<typeof TypeScript> {
  const { default: ts } = await import('typescript')
  return ts
}

import { type Environment, variables } from './config.ts'

/** The variables of this process for a child whose platform is embedded in `home`, and takes no server of other tests. */
export function embeddedEnvironment(home: string): Environment {
  const own = Object.entries(process.env).filter(([name]) => !(name in variables))
  return { ...Object.fromEntries(own), LAKE_HOME: home }
}

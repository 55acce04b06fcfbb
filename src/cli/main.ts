#!/usr/bin/env node
/** The `lake` command. */
import { runProcess } from './process.ts'

await runProcess(process.argv.slice(2))

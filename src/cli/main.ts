#!/usr/bin/env node
import { runCli } from './run-cli.js'

// Whatever the user's modules have left open: pools, timers.
process.exit(await runCli(process.argv.slice(2)))

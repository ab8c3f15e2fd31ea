/**
 * `node compile-projects.mjs <folder>`: compiles each `tsconfig.*.json` of a consumer's project, and prints what the
 * compiler has to say as JSON.
 *
 * Declarations are checked too (`skipLibCheck: false`), but only those of the project and of drizzle-outbox: Drizzle's
 * own have errors in both lines, for databases whose drivers are not installed, and under exactOptionalPropertyTypes.
 */
import { readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import ts from 'typescript'

const folder = resolve(process.argv[2])
const configs = readdirSync(folder).filter((name) => /^tsconfig\..*\.json$/.test(name))
console.log(JSON.stringify(Object.fromEntries(configs.map((name) => [name.split('.')[1], compile(name)]))))

function compile(name) {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(folder, name),
    { skipLibCheck: false },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (problem) => fail(describe(problem)) },
  )
  const program = ts.createProgram({ ...config, rootNames: config.fileNames })
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(`${folder}/`))
  const problems = [
    ...config.errors,
    ...program.getConfigFileParsingDiagnostics(),
    ...program.getOptionsDiagnostics(),
  ]
  for (const file of ours) {
    problems.push(...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file))
    if (program.getCompilerOptions().declaration && !file.isDeclarationFile)
      problems.push(...program.getDeclarationDiagnostics(file))
  }
  return { files: ours.map(({ fileName }) => relative(folder, fileName)), problems: problems.map(describe) }
}

function describe({ file, start, messageText, code }) {
  const message = ts.flattenDiagnosticMessageText(messageText, '\n')
  if (file === undefined) return { file: 'the project', line: 0, code, message }
  const line = file.getLineAndCharacterOfPosition(start).line + 1
  return { file: relative(folder, file.fileName), line, code, message }
}

function fail(problem) {
  throw new Error(problem.message)
}

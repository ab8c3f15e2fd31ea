/** What our private servers have in common: a directory that goes with them, and a handle. */
import { makePrivateDirectory, type PrivateDirectory } from './private-directory.js'
import { ServerProcess, type ServerProgram } from './server-process.js'

/** A server of ours, as others see it. */
export interface PrivateServer {
  readonly url: string
  readonly port: number
  /** Holds its data and its log file. */
  readonly directory: string
  /** Another one after `restart()`. */
  readonly pid: number
  /** Ends the server and removes its directory. Again: does nothing. */
  stop(): Promise<void>
  /** Ends the server with a signal (default SIGKILL) and keeps its data; resolves once all of its processes are gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port and data, after ending it in an orderly way if it still runs. */
  restart(): Promise<void>
  /** Lets the server outlive this process; returns the command that stops and removes it. */
  keep(): Promise<string>
}

/** Gives the server a directory, which goes again if it does not come up. */
export async function inPrivateDirectory<S>(start: (directory: PrivateDirectory) => Promise<S>): Promise<S> {
  const directory = await makePrivateDirectory()
  try {
    return await start(directory)
  } catch (error) {
    await directory.remove()
    throw error
  }
}

/** Starts the program in its directory. `details` say where it is to be reached, and what else is known of it. */
export async function startServer<D extends Pick<PrivateServer, 'url' | 'port'>>(
  directory: PrivateDirectory,
  program: Omit<ServerProgram, 'directory'>,
  details: D,
): Promise<PrivateServer & D> {
  const server = await ServerProcess.start({ ...program, directory: directory.path })
  return {
    ...details,
    directory: directory.path,
    get pid() {
      return server.pid
    },
    stop: () => directory.remove(),
    kill: (signal) => server.kill(signal),
    restart: () => server.restart(),
    keep: () => directory.keep(),
  }
}

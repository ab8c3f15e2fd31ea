/**
 * A file system that can be full, for a server's data. It exists in a mount namespace of its own, which the kernel takes
 * down with the last process in it: nothing is left to unmount, however we end. Only root on Linux may have one.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makePrivateDirectory, type PrivateDirectory } from '../../../dev/servers/private-directory.js'

const run = promisify(execFile)

export class SmallDisk {
  /** Where it is, to those who have entered. */
  readonly path: string
  readonly #directory: PrivateDirectory
  readonly #keeper: ChildProcess

  private constructor(directory: PrivateDirectory, path: string, keeper: ChildProcess) {
    this.#directory = directory
    this.path = path
    this.#keeper = keeper
  }

  /** @returns undefined where that is not permitted. */
  static async mount(): Promise<SmallDisk | undefined> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
    const directory = await makePrivateDirectory()
    const path = join(directory.path, 'disk')
    await mkdir(path)
    const script = `mount -t tmpfs -o size=${ROOMY} none "$1" && echo mounted && read forever`
    const keeper = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', path], {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const failed = once(keeper, 'close').catch(() => {}) // there may be no `unshare`
    const mounted = once(keeper.stdout!, 'data').then(() => true)
    if (await Promise.race([mounted, failed.then(() => false)])) return new SmallDisk(directory, path, keeper)
    await directory.remove()
    return undefined
  }

  /** @returns a program that is the given one, for whom the disk is there. */
  async bring(program: string): Promise<string> {
    const wrapper = join(this.#directory.path, 'program')
    const lines = ['#!/bin/sh', `exec nsenter --mount --target ${this.#keeper.pid} -- '${program}' "$@"`]
    await writeFile(wrapper, `${lines.join('\n')}\n`, { mode: 0o755 })
    return wrapper
  }

  /** Leaves so many bytes, and a page. */
  async fill(left: number): Promise<void> {
    for (;;) {
      const { blocks, bfree, bsize } = await statfs(`/proc/${this.#keeper.pid}/root${this.path}`)
      // Refused when more was written meanwhile.
      if (await this.#resize((blocks - bfree + 1) * bsize + left)) return
    }
  }

  async free(): Promise<void> {
    if (!(await this.#resize(ROOMY))) throw new Error(`cannot free ${this.path}`)
  }

  #resize(bytes: number): Promise<boolean> {
    const args = ['--mount', '--target', `${this.#keeper.pid}`, '--', 'mount', '-o', `remount,size=${bytes}`]
    return run('nsenter', [...args, this.path]).then(
      () => true,
      () => false,
    )
  }

  /** Ends whoever is still there. */
  stop(): Promise<void> {
    return this.#directory.remove()
  }
}

/** More than a campaign writes. It takes memory only as it is written to. */
const ROOMY = 64 * 2 ** 30

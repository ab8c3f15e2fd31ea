export function sweep(directory: string): Promise<void>
export function untilGone(directory: string, graceMs: number): Promise<void>
export function processesOf(name: string): { pid: number; command: string }[]

export function withLock<T>(path: string, onWait: (owner: number) => void, work: () => Promise<T>): Promise<T>

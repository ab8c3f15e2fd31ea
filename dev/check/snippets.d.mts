export function snippetsOf(text: string): { file: string | undefined; code: string; line: number }[]

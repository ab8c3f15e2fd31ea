/** Certificates for TLS on loopback, made by the `openssl` of this machine. */
import { execFileSync } from 'node:child_process'

export interface Certificate {
  /** PEM. It vouches for itself: who trusts it trusts nothing else. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

/** Undefined where there is no openssl. The default is what the client looks for when it was given an address. */
export function createCertificate(host = 'localhost'): Certificate | undefined {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-days', '1', '-subj', '/CN=test', '-addext', `subjectAltName=DNS:${host}`]
  try {
    const made = execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-keyout', '-', '-out', '-'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return { cert: pem(made, 'CERTIFICATE'), key: pem(made, 'PRIVATE KEY') }
  } catch {
    return undefined
  }
}

function pem(text: string, label: string): string {
  const end = `-----END ${label}-----`
  return `${text.slice(text.indexOf(`-----BEGIN ${label}-----`), text.indexOf(end) + end.length)}\n`
}

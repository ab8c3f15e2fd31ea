/** Relay and server do not trust each other. */
import { it } from 'vitest'
import { itReactsTo } from '../../support/causes.js'
import { createCertificate } from '../../support/certificates.js'
import { describeWithNatsServer } from '../../support/private-nats.js'
import { letIn, UNHEARD } from '../../support/wrong-login.js'

const certificate = createCertificate()

describeWithNatsServer('a relay that connects by TLS', () => {
  if (certificate === undefined) return it.skip('needs openssl to make certificates')
  const [ours, elsewhere] = [createCertificate()!, createCertificate('elsewhere.invalid')!]
  const config = 'cert_file: server.pem, key_file: server.key'
  const files = ({ cert, key } = certificate) => ({
    'server.pem': cert,
    'server.key': key,
    'clients.pem': ours.cert,
  })
  const trusting = { tls: { ca: certificate.cert } }

  itReactsTo([
    letIn({
      cause: 'nobody vouches for the server',
      server: { config: `tls { ${config} }`, files: files() },
      wrong: {},
      right: trusting,
      operator: /cannot connect to NATS: self-signed certificate$/,
    }),
    letIn({
      cause: 'the certificate is that of another host',
      server: { config: `tls { ${config} }`, files: files(elsewhere) },
      wrong: { tls: { ca: elsewhere.cert } },
      right: { tls: { ca: elsewhere.cert, checkServerIdentity: () => undefined } as object },
      operator: /cannot connect to NATS: .*does not match certificate's altnames/,
    }),
    letIn({
      cause: 'the server wants a certificate, and there is none',
      server: { config: `tls { ${config}, ca_file: clients.pem, verify: true }`, files: files() },
      wrong: { ...trusting, timeout: 1000 },
      right: { tls: { ...trusting.tls, cert: ours.cert, key: ours.key } },
      operator: UNHEARD,
      secrets: [ours.key],
    }),
    letIn({
      cause: 'the server has no TLS',
      server: {},
      wrong: trusting,
      right: {},
      operator: /cannot connect to NATS: server does not support 'tls'$/,
    }),
  ])
})

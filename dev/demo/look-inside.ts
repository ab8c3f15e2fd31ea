/** Commands to look at what a run has left, with the real addresses. */

import type { Venue } from '../servers/index.js'
import { CONSUMER } from './jetstream-destination.js'
import type { Paint } from './text.js'

export async function renderLookInside(venue: Venue, paint: Paint): Promise<string> {
  const { databaseUrl, natsUrl, stream } = venue
  const psql = (query: string) => `psql '${databaseUrl}' -c "${query}"`
  const nats = (command: string) => `nats --server ${natsUrl} ${command}`
  const sections: [title: string, commands: string[]][] = [
    [
      'The log, the orders, and how far the relay is',
      [
        psql(
          'select position, aggregate_id, aggregate_version, type, data from outbox_events order by position limit 20',
        ),
        psql('select status, count(*), sum(total) as cents from orders group by status'),
        psql('select name, snapshot, epoch, owner from outbox_relays'),
      ],
    ],
  ]
  if (natsUrl)
    sections.push([
      'The stream, its messages with their headers, and the consumer',
      [
        nats(`stream info ${stream}`),
        nats(`stream view ${stream} 5`),
        nats(`consumer info ${stream} ${CONSUMER}`),
      ],
    ])
  sections.push(['Stop and remove everything', await venue.keep()])
  return sections
    .map(([title, commands]) =>
      [paint('bold', title), ...commands.map((command) => `  ${command}`)].join('\n'),
    )
    .join('\n\n')
}

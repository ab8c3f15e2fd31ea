/** What to try with curl, each line with the status that it is answered with. */
import type { Service } from './service.js'

export function renderSession(services: readonly Service[]): string {
  const of = (name: string) => services.find((service) => service.name === name)!
  const [bookings, calendar, worker] = [of('bookings').url, of('calendar').url, of('worker')]
  const blue = (id: string, guest: string) =>
    `{"id":"${id}","room":"blue","day":"2027-03-01","guest":"${guest}"}`
  return [
    '',
    ...services.map(({ name, url, pid }) => `${name.padEnd(8)}   ${url}   process ${pid}`),
    '',
    'Try it, in another terminal:',
    '',
    '  # Ada books the blue room, which is then taken, and pays: 201, 409, 200',
    curl(`${bookings}/bookings`, blue('b1', 'Ada')),
    curl(`${bookings}/bookings`, blue('b2', 'Bob')),
    curl(`${bookings}/bookings/b1/payment`, '{"amount":12000}'),
    '  # She cancels what she saw before she paid: 409. Then she looks, and the calendar knows as well: 200, 200',
    curl(`${bookings}/bookings/b1/cancellation`, '{"reason":"ill","version":1}'),
    curl(`${bookings}/bookings/b1`),
    curl(`${calendar}/rooms/blue`),
    '  # How the worker is, and what it has published: 200',
    curl(`${worker.url}/readyz`),
    `  curl -s ${worker.url}/metrics | grep ^outbox_relay_published`,
    '  # It dies, and is started again. Book meanwhile: nothing is lost, the calendar hears of it some seconds later',
    `  kill -9 ${worker.pid}`,
    '',
    'Ctrl-C ends it all.',
    '',
  ].join('\n')
}

function curl(url: string, body?: string): string {
  return `  curl -sw ' %{http_code}\\n' ${url}${body === undefined ? '' : ` --json '${body}'`}`
}

/** For `connect`: a client that soon gives up a connection which is half open, and never gives up the server. */
export const IMPATIENT = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 20,
  timeout: 1000,
  pingInterval: 100,
  maxPingOut: 3,
}

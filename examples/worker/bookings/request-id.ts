/** The id of the HTTP request at work. Its events carry it to whoever hears of them, as `ce-correlationid`. */
import { AsyncLocalStorage } from 'node:async_hooks'

export const currentRequestId = new AsyncLocalStorage<string>()

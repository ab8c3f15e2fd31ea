/** Seven days: how long published events stay in the log unless somebody says otherwise. */
export const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000

/**
 * Preloaded into a process (`node --import`): ends it when its parent is gone, however that ended.
 * A parent that may die before this module runs passes its id in `DIE_WITH_PARENT`.
 */
const parent = Number(process.env.DIE_WITH_PARENT ?? process.ppid)
delete process.env.DIE_WITH_PARENT // meant for us, not for the processes that we start

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
}, 250).unref()

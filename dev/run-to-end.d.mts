/** For `node --import`: the process then ends with its parent, however that ended. */
export const dieWithParent: string

/** The run store has the runs of the batch under this name. */
export const batchDag = 'lakehouse_batch'

/** The task of the batch that audits the ledger. */
export const ledgerTask = 'ledger'

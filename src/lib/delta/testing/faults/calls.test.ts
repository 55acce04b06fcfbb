import { describeFailingCalls } from './calls.contract.ts'
import { faults } from './faulty-store.fixture.ts'

const names = ['append', 'merge', 'restore', 'renameColumn', 'optimize', 'checkpoint', 'vacuum', 'createFrom']

/** Each call that writes has one of the faults. */
describeFailingCalls(names, ({ isWrite, writes }) =>
  isWrite ? [faults[writes % faults.length] ?? 'lost'] : [],
)

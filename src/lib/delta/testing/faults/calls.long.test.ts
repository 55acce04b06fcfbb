import { describeFailingCalls } from './calls.contract.ts'
import { faults } from './faulty-store.fixture.ts'
import { faultOperations } from './operations.fixture.ts'

describeFailingCalls(Object.keys(faultOperations), ({ isWrite }) => (isWrite ? faults : ['refused']))

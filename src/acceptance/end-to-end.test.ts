import { describeEndToEnd } from './end-to-end.contract.ts'

describeEndToEnd('embedded', () => ({}), 12_000)

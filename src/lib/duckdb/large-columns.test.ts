import { describeLargeColumns } from './large-columns.contract.ts'

describeLargeColumns(['large.s', "{'a': [large.s], 'b c': large.s} as r"])

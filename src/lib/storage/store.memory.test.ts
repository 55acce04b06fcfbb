import { describeObjectStore } from './store.contract.ts'
import { MemoryStore } from './store.memory.ts'

describeObjectStore('memory', () => MemoryStore.open())

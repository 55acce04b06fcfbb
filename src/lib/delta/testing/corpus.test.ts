import { describeCorpus } from './corpus.contract.ts'

describeCorpus('the corpus of Delta tables, at some versions of each', {
  sample: (versions) => versions.filter((_, at) => at === 0 || at === versions.length - 1),
  valuesOfConditions: 0,
})

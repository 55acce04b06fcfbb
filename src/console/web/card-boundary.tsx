/** A card that cannot be drawn says so, and takes no other down. It is tried again when its answer changes. */
import { Component, type ReactElement, type ReactNode } from 'react'
import { Empty } from './panel-frame.tsx'

interface Props {
  readonly title: string
  readonly children: ReactElement
}

interface State {
  readonly failure: string | undefined
}

export class CardBoundary extends Component<Props, State> {
  override state: State = { failure: undefined }

  static getDerivedStateFromError(error: unknown): State {
    return { failure: error instanceof Error ? error.message : String(error) }
  }

  override componentDidUpdate(before: Props): void {
    if (this.state.failure !== undefined && before.children !== this.props.children) {
      this.setState({ failure: undefined })
    }
  }

  override render(): ReactNode {
    const { failure } = this.state
    if (failure === undefined) return this.props.children
    return (
      <section className="card panel" aria-label={this.props.title}>
        <Empty title={`${this.props.title} cannot be drawn`}>{failure}</Empty>
      </section>
    )
  }
}

/** What stands in place of a page that there is nothing for. */
import type { Place } from '../places.ts';
import { LinkButton } from './link.tsx';
import { PageTitle } from './page-title.tsx';

/** What stands in place of a page that there is nothing for, with where to go instead. */
export function NotFound(props: {
  readonly title: string;
  readonly note?: string;
  readonly to: Place;
  readonly label: string;
}) {
  const { title, note, to, label } = props;
  return (
    <>
      <PageTitle title={title} {...(note === undefined ? {} : { note })} />
      <div>
        <LinkButton to={to}>{label}</LinkButton>
      </div>
    </>
  );
}

/** A hospital comes in by keyboard alone, with its real agent; what is done with it afterwards. */
import { expectSound, headingOf, tabTo } from './page-checks.ts';
import { textOf } from './people-pages.ts';
import { actOn, testMs, type Stage } from './stage.ts';

/** Sites. */
export function describeSites(stage: () => Stage): void {
  test(
    'a site is invited by keyboard alone, its agent enrols with the code, is approved by its fingerprint, and is heard',
    async () => {
      const { page, watched, goTo, demo, width } = stage();
      const site = `invited-${width}`;
      await goTo('#/sites');
      const press = async (name: string, key = 'Enter'): Promise<void> => {
        await tabTo(page.getByRole('button', { name, exact: true }));
        await page.keyboard.press(key);
      };
      await press('Invite a site');
      const dialog = page.getByRole('dialog', { name: 'Invite a site' });
      await dialog.waitFor();
      expect(await dialog.getByRole('textbox').first().and(page.locator(':focus')).count()).toBe(1);
      await page.keyboard.type(site);
      await expectSound(watched);
      await page.keyboard.press('Enter');
      await page.getByRole('dialog', { name: `The code for ${site}` }).waitFor();
      const code = await textOf(page, 'One-time code');
      expect(await textOf(page, 'Command for the site')).toBe(
        'npx melo agent enroll --config agent.yaml',
      );
      await expectSound(watched);
      await press('I have handed it over');
      expect(await page.content()).not.toContain(code);
      const fingerprint = await demo.enrollAgent(site, code);

      const row = page.getByRole('table', { name: 'Sites' }).getByRole('row', { name: site });
      await row.getByText('pending').waitFor();
      await tabTo(row.getByRole('link', { name: site }));
      await page.keyboard.press('Enter');
      await headingOf(page, site).waitFor();
      await press('Approve');
      const approval = page.getByRole('dialog', { name: `Approve ${site}?` });
      await approval.waitFor();
      await page.keyboard.type(`${fingerprint.slice(0, 74)} 0000`);
      await approval.getByText('Do not approve').waitFor();
      const approve = approval.getByRole('button', { name: 'Approve it' });
      expect(await approve.isDisabled()).toBe(true);
      await page.keyboard.press('Control+A');
      await page.keyboard.type(fingerprint);
      await expectSound(watched);
      await press('Approve it');
      await page.getByText(`${site} is approved`).waitFor();
      await page.getByText('active', { exact: true }).waitFor();
      demo.federation.startAgent(site);
      await page.getByText(/^heard (?:.* ago|just now)$/).waitFor();
      await page.getByText('onnx on').waitFor();
    },
    testMs,
  );

  test(
    'a site is suspended, let back in, given new keys and revoked, each with a question',
    async () => {
      const { page, watched, goTo, demo, width } = stage();
      const site = `guest-${width}`;
      await demo.enrollAgent(site, await demo.federation.invite(site));
      await demo.federation.approve(site);
      await goTo(`#/sites/${site}`);
      await actOn(page, 'Suspend', 'Suspend it', 'its network is being rebuilt');
      await page.getByText('suspended', { exact: true }).waitFor();
      await expectSound(watched);
      await actOn(page, 'Let it back in', 'Let it back in');
      await page.getByText('active', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Renew its keys' }).click();
      await expectSound(watched);
      await page.getByRole('button', { name: 'Make the code' }).click();
      await page.getByLabel('One-time code', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'I have handed it over' }).click();
      await page.getByRole('button', { name: 'Revoke', exact: true }).click();
      const question = page.getByRole('dialog');
      await question.getByRole('textbox').fill('it was a trial');
      await expectSound(watched);
      await question.getByRole('button', { name: 'Revoke it' }).click();
      await page.getByText('revoked', { exact: true }).waitFor();
      await question.waitFor({ state: 'detached' });
      expect(await page.getByRole('button', { name: 'Renew its keys' }).count()).toBe(0);
    },
    testMs,
  );

  test(
    'a site that ends its part is let leave, and is invited again',
    async () => {
      const { page, watched, goTo, demo, width } = stage();
      const site = `leaver-${width}`;
      await demo.enrollAgent(site, await demo.federation.invite(site));
      await demo.federation.approve(site);
      await goTo(`#/sites/${site}`);
      await actOn(page, 'Let it leave', 'Let it leave', 'the study is over');
      await page.getByText('left', { exact: true }).waitFor();
      await expectSound(watched);
      await page.getByRole('button', { name: 'Make a new code' }).click();
      await page.getByRole('button', { name: 'Make the code' }).click();
      await page.getByLabel('One-time code', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'I have handed it over' }).click();
    },
    testMs,
  );
}

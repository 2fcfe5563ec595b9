// The page's client of the collector.

/** Fetches the state of one lift, and gives up after five seconds. */
export async function fetchLift(name: string): Promise<Lift> {
  const answer = await fetch(`/lifts/${name}`, { signal: AbortSignal.timeout(5000) });
  return answer.json();
}

/** Opens a stream of alarms and calls back for each of them. */
export function openAlarms(onAlarm: (text: string) => void): EventSource {
  const source = new EventSource("/alarms");
  source.onmessage = (event) => onAlarm(event.data);
  return source;
}

/** Formats minutes as hours and minutes, such as 2:05. */
export function formatMinutes(minutes: number): string {
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
}

/** Marks a lift on the map with the colour of its state. */
export function markLift(map: Element, lift: Lift): void {
  map.querySelector(`[data-lift="${lift.name}"]`)?.setAttribute("data-state", lift.state);
}

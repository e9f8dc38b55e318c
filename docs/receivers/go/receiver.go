// A receiver of postrider's events: Go 1.19 or newer, and a driver for the inbox's database, here SQLite.
//
//	SIGNING_KEY=… DATABASE=inbox.db go run receiver.go 127.0.0.1:9000
//
// While the signing key is changed, SIGNING_KEY_BEFORE is the one before it.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const (
	tolerance   = 5 * time.Minute
	largestBody = 10 << 20
)

// ANCHOR: verify

// refusal says why a call is not to be believed, or nothing. It looks at the bytes as they came: verify first, parse then.
func refusal(header string, body []byte, keys []string, now time.Time) string {
	var times, signatures []string
	for _, part := range strings.Split(header, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			times = append(times, value)
		case "v1":
			signatures = append(signatures, value)
		}
	}
	if len(times) != 1 {
		return "the signature does not say one time"
	}
	seconds, err := strconv.ParseInt(times[0], 10, 64)
	if err != nil {
		return "the signature does not say one time"
	}
	good := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(mac, "%s.", times[0])
		mac.Write(body)
		made := mac.Sum(nil)
		for _, signature := range signatures {
			given, err := hex.DecodeString(signature)
			// In constant time, and without stopping at the first one that fits.
			good = err == nil && hmac.Equal(given, made) || good
		}
	}
	if !good {
		return "no signature was made with a known key"
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return "the signature is of another time"
	}
	return ""
}

// ANCHOR_END: verify

// ANCHOR: inbox
const schema = `
CREATE TABLE IF NOT EXISTS inbox (
    webhook_id  TEXT PRIMARY KEY,   -- the same for every attempt of an event
    instance_id TEXT NOT NULL,
    position    TEXT NOT NULL,
    body        BLOB NOT NULL,      -- for whatever does the work, later
    received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS inbox_position ON inbox (instance_id, position);`

// take writes an event down once. It returns whether the event is new, and whether something before it never came.
func take(database *sql.DB, id, instance, position, previous string, body []byte) (isNew, gap bool, err error) {
	transaction, err := database.Begin()
	if err != nil {
		return false, false, err
	}
	defer transaction.Rollback() // does nothing once it is committed
	const known = "SELECT count(*), count(*) FILTER (WHERE position = ?) FROM inbox WHERE instance_id = ?"
	var events, before int
	if err := transaction.QueryRow(known, previous, instance).Scan(&events, &before); err != nil {
		return false, false, err
	}
	const insert = "INSERT INTO inbox (webhook_id, instance_id, position, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
	done, err := transaction.Exec(insert, id, instance, position, body)
	if err != nil {
		return false, false, err
	}
	rows, err := done.RowsAffected()
	if err != nil {
		return false, false, err
	}
	// The very first event has nothing before it.
	gap = rows == 1 && previous != "" && events > 0 && before == 0
	return rows == 1, gap, transaction.Commit()
}

// ANCHOR_END: inbox

type receiver struct {
	keys     []string
	database *sql.DB
}

// ANCHOR: answer
func (r receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, largestBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	if why := refusal(request.Header.Get("ZITADEL-Signature"), body, r.keys, time.Now()); why != "" {
		refuse(w, http.StatusUnauthorized, why)
		return
	}
	var event struct {
		InstanceID string `json:"instanceID"`
		EventType  string `json:"event_type"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		refuse(w, http.StatusUnprocessableEntity, "the body is no event") // this event's own fault: retried, then parked
		return
	}
	position := request.Header.Get("Postrider-Position")
	previous := request.Header.Get("Postrider-Previous-Position")
	isNew, gap, err := take(r.database, request.Header.Get("Webhook-Id"), event.InstanceID, position, previous, body)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the inbox is away: "+err.Error()) // ours: postrider waits and parks nothing
		return
	}
	if gap {
		fmt.Printf("gap %s: %s never came\n", position, previous)
	}
	word := "duplicate"
	if isNew {
		word = "new"
	}
	fmt.Println(word, position, event.EventType)
	w.WriteHeader(http.StatusOK)
}

// ANCHOR_END: answer

func refuse(w http.ResponseWriter, status int, text string) {
	fmt.Printf("refused %d: %s\n", status, text)
	http.Error(w, text, status)
}

func main() {
	var keys []string
	for _, name := range []string{"SIGNING_KEY", "SIGNING_KEY_BEFORE"} {
		if key := os.Getenv(name); key != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		log.Fatal("SIGNING_KEY is not set")
	}
	// A transaction takes the write lock when it begins, and waits for it.
	database, err := sql.Open("sqlite3", "file:"+os.Getenv("DATABASE")+"?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := database.Exec(schema); err != nil {
		log.Fatal(err)
	}
	address := "127.0.0.1:9000"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	server := http.Server{Handler: receiver{keys, database}, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	log.Fatal(server.Serve(listener))
}

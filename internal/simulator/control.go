package simulator

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// control is what other processes steer and audit a simulator with.
func (s *Simulator) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /simulator/stats", s.serveStats)
	mux.HandleFunc("GET /simulator/rooms", func(w http.ResponseWriter, r *http.Request) {
		verdict{}.writeJSON(w, r, s.Rooms())
	})
	mux.HandleFunc("GET /simulator/rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.writeRoom(w, r, nil)
	})
	mux.HandleFunc("POST /simulator/rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
		if options, ok := settings[RoomOptions](w, r); ok {
			s.writeRoom(w, r, s.AddRoom(r.PathValue("id"), options))
		}
	})
	steer(s, mux, "live", func(liveID string, _ struct{}) error { return s.GoLive(liveID) })
	steer(s, mux, "end", func(liveID string, _ struct{}) error { return s.EndLive(liveID) })
	steer(s, mux, "end-quietly", func(liveID string, _ struct{}) error { return s.EndQuietly(liveID) })
	steer(s, mux, "push", s.Push)
	steer(s, mux, "page", s.SetPage)
	steer(s, mux, "cut", func(liveID string, _ struct{}) error { return s.Cut(liveID) })
	steer(s, mux, "close", s.CloseSockets)
	steer(s, mux, "reject", s.Reject)
	steer(s, mux, "giant", s.PushGiant)
	steer(s, mux, "answer", s.SetAnswer)
	steer(s, mux, "faults", s.SetFaults)
	mux.HandleFunc("POST /simulator/stop-pushing", func(w http.ResponseWriter, r *http.Request) {
		s.StopPushing()
		s.serveStats(w, r)
	})
	s.controlCallers(mux)
	mux.HandleFunc("GET /simulator/ledger", s.serveLedger)
	mux.HandleFunc("GET /simulator/ledger/{table}", s.serveLedgerTable)
}

// steer serves an act on one room at /simulator/rooms/{id}/name and on all rooms
// at /simulator/name.
func steer[T any](s *Simulator, mux *http.ServeMux, name string, act func(liveID string, with T) error) {
	mux.HandleFunc("POST /simulator/rooms/{id}/"+name, func(w http.ResponseWriter, r *http.Request) {
		if with, ok := settings[T](w, r); ok {
			s.writeRoom(w, r, act(r.PathValue("id"), with))
		}
	})
	mux.HandleFunc("POST /simulator/"+name, func(w http.ResponseWriter, r *http.Request) {
		with, ok := settings[T](w, r)
		if !ok {
			return
		}
		for _, room := range s.everyRoom() {
			if err := act(room.liveID, with); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
		}
		s.serveStats(w, r)
	})
}

// settings is the JSON in the request's body; no body is the zero value. When
// it is wrong, that has been answered.
func settings[T any](w http.ResponseWriter, r *http.Request) (value T, ok bool) {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxMessage))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, "the body must be the JSON of the settings: "+err.Error(), http.StatusBadRequest)
		return value, false
	}
	return value, true
}

func (s *Simulator) serveStats(w http.ResponseWriter, r *http.Request) {
	verdict{}.writeJSON(w, r, s.Stats())
}

// writeRoom answers the room's state, or the error.
func (s *Simulator) writeRoom(w http.ResponseWriter, r *http.Request, err error) {
	var state RoomState
	if err == nil {
		state, err = s.Room(r.PathValue("id"))
	}
	switch {
	case errors.Is(err, ErrNoRoom):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		verdict{}.writeJSON(w, r, state)
	}
}

// ledgerSummary is the ledger without its hashes.
type ledgerSummary struct {
	// Since is when the ledger was begun, in Unix milliseconds.
	Since int64             `json:"since"`
	Sent  map[string]uint64 `json:"sent"`
	// Played are the rooms that it leaves out.
	Played []string `json:"played"`
}

func (s *Simulator) serveLedger(w http.ResponseWriter, r *http.Request) {
	verdict{}.writeJSON(w, r, ledgerSummary{Since: s.ledger.since.UnixMilli(), Sent: s.ledger.Counts(), Played: s.ledger.leftOut()})
}

// ledgerRecord is the size of a hash and its tally as they are transferred: a
// 64-bit number and two of 32 bits, little-endian.
const ledgerRecord = 16

func (s *Simulator) serveLedgerTable(w http.ResponseWriter, r *http.Request) {
	for i := range keys {
		if keys[i].table != r.PathValue("table") {
			continue
		}
		sent := s.ledger.tables[i].snapshot()
		body := make([]byte, 0, ledgerRecord*len(sent))
		for hash, count := range sent {
			body = binary.LittleEndian.AppendUint64(body, hash)
			body = binary.LittleEndian.AppendUint32(body, count.sent)
			body = binary.LittleEndian.AppendUint32(body, count.confirmed)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body)
		return
	}
	http.Error(w, "no such table: "+r.PathValue("table"), http.StatusNotFound)
}

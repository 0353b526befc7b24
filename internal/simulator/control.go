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
	mux.HandleFunc("GET /simulator/stats", func(w http.ResponseWriter, r *http.Request) {
		verdict{}.writeJSON(w, r, s.Stats())
	})
	mux.HandleFunc("GET /simulator/rooms", func(w http.ResponseWriter, r *http.Request) {
		verdict{}.writeJSON(w, r, s.Rooms())
	})
	mux.HandleFunc("GET /simulator/rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.writeRoom(w, r, nil)
	})
	mux.HandleFunc("POST /simulator/rooms/{id}", s.serveAddRoom)
	mux.HandleFunc("POST /simulator/rooms/{id}/live", s.serveAct(s.GoLive))
	mux.HandleFunc("POST /simulator/rooms/{id}/end", s.serveAct(s.EndLive))
	mux.HandleFunc("POST /simulator/rooms/{id}/cut", s.serveAct(s.Cut))
	mux.HandleFunc("POST /simulator/rooms/{id}/answer", func(w http.ResponseWriter, r *http.Request) {
		serveSet(s, w, r, s.SetAnswer)
	})
	mux.HandleFunc("POST /simulator/rooms/{id}/faults", func(w http.ResponseWriter, r *http.Request) {
		serveSet(s, w, r, s.SetFaults)
	})
	mux.HandleFunc("POST /simulator/stop-pushing", func(w http.ResponseWriter, r *http.Request) {
		s.StopPushing()
		verdict{}.writeJSON(w, r, s.Stats())
	})
	mux.HandleFunc("GET /simulator/ledger", s.serveLedger)
	mux.HandleFunc("GET /simulator/ledger/{table}", s.serveLedgerTable)
}

// serveAddRoom makes a room of a body such as {"rate": 20, "live": true}.
func (s *Simulator) serveAddRoom(w http.ResponseWriter, r *http.Request) {
	serveSet(s, w, r, func(liveID string, options RoomOptions) error { return s.AddRoom(liveID, options) })
}

func (s *Simulator) serveAct(act func(liveID string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.writeRoom(w, r, act(r.PathValue("id")))
	}
}

// serveSet calls set with the JSON in the request's body; no body is the zero value.
func serveSet[T any](s *Simulator, w http.ResponseWriter, r *http.Request, set func(liveID string, value T) error) {
	var value T
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxMessage))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, "the body must be the JSON of the settings: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.writeRoom(w, r, set(r.PathValue("id"), value))
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
}

func (s *Simulator) serveLedger(w http.ResponseWriter, r *http.Request) {
	verdict{}.writeJSON(w, r, ledgerSummary{Since: s.ledger.since.UnixMilli(), Sent: s.ledger.Counts()})
}

// ledgerRecord is the size of a hash and its count as they are transferred:
// two 64-bit little-endian numbers.
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
			body = binary.LittleEndian.AppendUint64(body, uint64(count))
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body)
		return
	}
	http.Error(w, "no such table: "+r.PathValue("table"), http.StatusNotFound)
}

package simulator

import (
	"net/http"
	"time"
)

// controlCallers serves what is about those who call: what they did, and how
// they are answered.
func (s *Simulator) controlCallers(mux *http.ServeMux) {
	mux.HandleFunc("GET /simulator/calls", func(w http.ResponseWriter, r *http.Request) {
		verdict{}.writeJSON(w, r, s.Calls())
	})
	mux.HandleFunc("GET /simulator/traffic", func(w http.ResponseWriter, r *http.Request) {
		window, err := time.ParseDuration(r.FormValue("window"))
		if err != nil || window <= 0 {
			http.Error(w, "say the window to count in, such as /simulator/traffic?window=1s", http.StatusBadRequest)
			return
		}
		verdict{}.writeJSON(w, r, Report(s.Calls(), window))
	})
	mux.HandleFunc("GET /simulator/trace", func(w http.ResponseWriter, r *http.Request) {
		verdict{}.writeJSON(w, r, s.Trace(0))
	})
	mux.HandleFunc("GET /simulator/policies", s.servePolicies)
	mux.HandleFunc("POST /simulator/policies", func(w http.ResponseWriter, r *http.Request) {
		policy, ok := settings[Policy](w, r)
		if !ok {
			return
		}
		if err := s.SetPolicy(policy); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.servePolicies(w, r)
	})
	mux.HandleFunc("DELETE /simulator/policies/{name...}", func(w http.ResponseWriter, r *http.Request) {
		s.LiftPolicy(r.PathValue("name"))
		s.servePolicies(w, r)
	})
	mux.HandleFunc("POST /simulator/gift-price", func(w http.ResponseWriter, r *http.Request) {
		price, ok := settings[GiftPrice](w, r)
		if !ok {
			return
		}
		if err := s.SetGiftPrice(price); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("POST /simulator/refuse-connections", func(w http.ResponseWriter, r *http.Request) {
		outage, ok := settings[Outage](w, r)
		if !ok {
			return
		}
		if err := s.RefuseConnections(outage.During); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

func (s *Simulator) servePolicies(w http.ResponseWriter, r *http.Request) {
	verdict{}.writeJSON(w, r, s.Policies())
}

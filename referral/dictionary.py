"""The preset compression dictionaries, by version: what both sides already know of a referral's text.

A dictionary is part of the envelope's format. A published one never changes, not by a byte: a new one gets a new number, and
the old one stays for as long as a sealed envelope may exist. Version 1 was written by hand from the operations' wire names, the
pack's codes and the streets of the first programme; it holds nobody's name. Deflate points back more cheaply at what is near, so
the commonest text stands last. This module knows bytes only: nothing of keys, headers or the meaning of a referral.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_V1: Final = (
    # other operations
    b'"op":"ask_withdrawal","op":"incomplete","op":"on_the_way","op":"not_completed","op":"redirect","op":"contact",'
    b'"op":"release","op":"acknowledge","op":"close","op":"intake","op":"withdraw","op":"sao_call","op":"amend",'
    b'"op":"met","op":"accept","referral_id":"'
    b'"body":{"event":"signed","verbal","revoked","parties":["bpd","sao","opd","scope":["intake_done","closed"],'
    b'"expires_on":"20,"body":{"who":"answer":"approved","declined","no_answer",'
    b'"call_back"}}"body":{"reached":true}}"reached":false}}"body":{"on":"2026-"body":{"notice_id":"'
    b'"body":{"reason":"not_on_duty","with_another_person","too_far","knows_the_person","language_needed",'
    b'"already_has_pair","unsafe_for_me","left","changed_mind","completed","no_contact","ineligible","withdrew",'
    b'"moved","deceased","recorded_by_mistake","duplicate","person_said_no","booked_instead","released"}}'
    b'"body":{"eta_at":"2026-","body":{"at":"2026-"body":{"changes":{"incident_number":"'
    b'"body":{}}'
    # rare answers
    b'"safety_reason":"weapon","violence","threat","child_at_risk","exploits_others","other","language":"en","fr",'
    b'"ar","zh","ko","ne","am","asl","es","interpreter":true,"immediate_need":["withdrawal","naloxone_given",'
    b'"dependants","pet","unsafe_place","medical"],"scene_id":"","for_officer":"'
    b'"supervisor_agreed","known_in_zone","close_to_zone","zone":"boundary"},"zone":"unknown"},"source":"typed",'
    b'"outside_reason":"lives_in_zone","zone":"outside"},'
    # how people are described and found
    b" wearing black white red blue green grey hoodie, jacket, coat, cap, backpack, usually sits by the near the "
    b"behind the on the steps, sleeps at the bus stop, light rail stop, parking garage, market, library, shelter, ask "
    b"at the desk, drop-in, outreach worker, sister, brother, mother, friend, mornings, after 6 pm "
    b'Lord Baltimore Hotel","Charles Center Metro Station","Camden Station","Lexington Market'
    # streets of the first pack, the busiest last
    b"W Barre St,Tessier St,St Mary St,Ryan St,Roundhouse Ct,Perkins St,Peabody Mews,Orchard St,N Washington Pl,"
    b"Morton Al,Hollingsworth St,Hayes St,Argyle Ave,Academy Al,W Conway St,W Cherry Blossom Way,Violet Hill White "
    b"Way,Telephone Al,St Elizabeth Ct,S Pine St,S Arch St,Rieman Ct,Myrtle Ave,Murphy Lane,Melvin Dr,Library Ct,E "
    b"Mulberry St,Dr. Benjamin Quarles Pl,Charles Plza,Born Al,Arch St,W Camden St,S Sharp St,Otterbein St,E Hamilton "
    b"St,Bath St,W Wilkes Lane,Shad Al,Scrabble Al,S Hanover St,Napoleon Al,McHenry St,Kimmel St,Kimmel Al,Inloes Al,"
    b"E Wilkes Lane,Chicago Ave,Washington Blvd,W Hamilton St,Russell St,Portland St,Grant St,Druid Hill Ave,Davis St,"
    b"Dark Lane,South St,Scott St,Parkin St,N Hanover St,N Fremont Ave,George St,Emory St,E Wine Ct,E Fayette St,E "
    b"Centre St,S Calvert St,Mercer St,Hargrove Al,E Pratt St,Dover St,Ploy St,Pennsylvania Ave,Cider Al,Vine St,E "
    b"Lombard St,E Franklin St,Wilson Al,State St,Pearl St,N Sharp St,N Arch St,Lemmon St,E Pleasant St,W Fairmount "
    b"Ave,S Martin Luther King Jr Blvd,Guilford Ave,E Saratoga St,E Baltimore St,W Centre St,S Howard St,S Greene St,"
    b"S Eutaw St,Hopkins Pl,E Lexington St,Water St,Orleans St,E Redwood St,Tyson St,S Charles St,Marion St,Jasper St,"
    b"W Pleasant St,S Fremont Ave,Pierce St,N Pine St,N Calvert St,Diamond St,St Paul St,S Paca St,Penn St,N Liberty "
    b"St,Clay St,N Martin Luther King Jr Blvd,Light St,Cathedral St,W Redwood St,N Greene St,Lovegrove St,St Paul Pl,"
    b"N Howard St,N Paca St,N Charles St,N Eutaw St,W Lexington St,W Lombard St,W Franklin St,Park Ave,W Baltimore St,"
    b"W Pratt St,W Mulberry St,W Fayette St,W Saratoga St"
    b"Unit block "
    b'"text":"Unit block E 100 block S 200 block N 300 block W '
    b'["5 3555","2C3599","2A3599","2 2530","1C3550","1C1635","1A3550","1A1635","1A1111","1A1093","1A0573","1 5599","1 '
    b'1112","1 0728","1 0267","1 0264","1 0246","1 0026","2 0330","1A0696","1A0248","1A0233","1 0691","1 0238","1 '
    b'0180","3A0233","1C0573","1C0233","1A1119","1 0696","1 0272","1 0269","2 2502","1 3550","1 0271","2 0233","2 '
    b'0262","1 0252","1 0249","3C0233","1 0256","1C1118","4C3550","1 0248","6 3600","1 0255","4A3550","1 0247",'
    b'"2C3550","1 1564","1 1118","1A1118","2 3550","2C0696","1 1119","1 1111","1 0233","5 3550","2A3550","2 0696","1 '
    b'1093","2A0696","3 0233","1 0573","1 1635","4 3550"],'
    # a social contact
    b'"kind":"social_contact","willing":"not_asked","willing":"later","whereabouts":"with_me","place":{"text":"'
    b'"reach":{"how":"none"},"basis":"record","basis":"third_party","basis":"observed","basis":"asked_for_help",'
    b'"urgency":"today","urgency":"this_week","urgency":"routine","reason":"drug_use","sex_work","mental_health",'
    b'"not_arrest_eligible","no_safe_place","repeat_contact","overdose_response","community_concern","note":"'
    # an arrest: the other answers
    b'"willing":"cannot_answer","willing":"no","whereabouts":"transferred","whereabouts":"released",'
    b'"whereabouts":"hospital","whereabouts":"booked","whereabouts":"case_manager_coming","offence_codes":["1 '
    b'"destination":"agreed_by_phone","quantity":"unknown","quantity":"more","place":{"lat":39.29,"lon":-76.62,'
    b'"accuracy_m":1.0,"source":"gps","zone":"inside","fix_age_s":'
    b'},"exclusions":{"open_warrant":"yes","safety_threat":"yes","open_warrant":"no","safety_threat":"no",'
    b'"under_supervision":"no","disqualifying_record":"no","open_case":"no"},"person":{"descriptor":"'
    b'"birth":{"adult":true}},"birth":{"age":3}},"reach":{"how":"through_someone","detail":"'
    b'"how":"place","detail":"","permission":"ok_no_message"},"permission":"do_not_contact"},"incident_number":"'
    b'"detail":"667-"detail":"443-'
    # an arrest: the commonest answers, in the order in which the codec writes them
    b'"made_at":"2029-"made_at":"2028-"made_at":"2027-0'
    b'{"op":"create","referral_id":"","nonce":"","made_at":"2026-1","made_by":"officer","mono_ms":1,"offset_ms":-,'
    b'"body":{"referral":{"kind":"arrest_diversion","willing":"yes","whereabouts":"coming_in","eta_at":"2026-0T0:00Z",'
    b'"destination":"central_district","offence_codes":["1 1093"],"place":{"text":"","offence_codes":["1 1111"],'
    b'"offence_codes":["4 3550"],"quantity":"personal","place":{"text":"00 block N  St","lat":39.28,"lon":-76.61,'
    b'"source":"picked","zone":"inside"},"exclusions":{"open_warrant":"no","safety_threat":"no"},"person":{"name":"",'
    b'"birth":{"date":"19"}},"reach":{"how":"phone","detail":"410-555-0","permission":"ok"},"incident_number":"26",'
    b'"occurred_at":"2026-0:00Z","pack":"baltimore/1","form":1}}}'
)

DICTIONARIES: Final[Mapping[int, bytes]] = MappingProxyType({1: _V1})

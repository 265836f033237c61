# ruff: noqa: E501  (one message a line, as people write them)
"""Is privilege told by substance and relationship, and health by words and a person?

The rules were tuned on these messages: they keep what was reached, and measure nothing unseen.
"""

import pytest

from comms.compliance.labels import Label
from comms.compliance.material import Content, Parties, Role, role_of
from comms.compliance.screening import screen

Row = tuple[str, str, str]
"""Who writes, where, and what."""

PRIVILEGED: list[Row] = [
    (
        "client",
        "email",
        "My landlord changed the locks while I was at work. Is he allowed to do that without a court order?",
    ),
    ("client", "sms", "cops want me to come in tomorrow and 'just talk'. do i go?"),
    ("client", "sms", "my ex wants to change the pickup schedule again. do I have to say yes"),
    (
        "client",
        "email",
        "Attached is the letter from their attorney. How do you want me to answer, if at all?",
    ),
    (
        "client",
        "email",
        "Before the board votes on Thursday I'd like your view on whether the two directors with shares in Alder have to step out.",
    ),
    ("client", "sms", "the hr lady asked me to sign a paper saying i quit. should i??"),
    (
        "client",
        "email",
        "One of our drivers hit a cyclist this morning. He wants to apologise to the family. What should we tell him?",
    ),
    (
        "client",
        "email",
        "If I put the house in my daughter's name now, can the nursing home still come after it?",
    ),
    ("client", "sms", "they're offering probation if I plead to the lesser. what would you do"),
    (
        "client",
        "email",
        "Our former engineer joined a competitor and took the drawings. What can we do to stop him using them, and how fast?",
    ),
    (
        "client",
        "email",
        "My green card expires in March and I was arrested in 2019. Is it safe to travel in January?",
    ),
    (
        "staff",
        "slack",
        "@legal the customer wants to record the demo call. are we ok to let them in California?",
    ),
    (
        "staff",
        "slack",
        "legal question: if we cut the commission plan mid-quarter, do reps have a claim for deals already in flight?",
    ),
    (
        "staff",
        "call_note",
        "Mr. Duarte phoned re his brother's will. Asks if a handwritten change is good enough or whether the first one stands. Wants Ruth to ring.",
    ),
    (
        "staff",
        "call_note",
        "Client upset, the buyer wants to back out after the inspection. Asked if she keeps the deposit. Told her Elena would advise.",
    ),
    (
        "counsel",
        "email",
        "I've read the deed. The easement runs with the land, so the new owners are stuck with it. I'd offer to move the gate in exchange for a release.",
    ),
    (
        "counsel",
        "email",
        "Short answer: yes, you can let her go, but document the two warnings first and offer the same severance as the others.",
    ),
    ("counsel", "sms", "Take the deal. Trial is a coin flip and the judge doesn't like us."),
    ("counsel", "sms", "If they ask about the loan, you don't recall. Only answer what is asked."),
    (
        "counsel",
        "email",
        "On the non-compete: twelve months and two counties will likely hold, the customer list part won't. Let him start, but keep him off the Reyes account.",
    ),
    (
        "counsel",
        "email",
        "Two points before the call. The limitation period runs out on 4 August, and the email of 12 March is a problem because it reads like a promise.",
    ),
    (
        "counsel",
        "email",
        "The trustee has a conflict here. We should ask the court to appoint someone else before any distribution is made.",
    ),
    (
        "counsel",
        "slack",
        "the GPL bit is fine as long as we don't link it statically. otherwise we'd have to publish our source",
    ),
    (
        "counsel",
        "slack",
        "that wording makes it sound like a guarantee, say 'designed to' instead. otherwise the FTC could come knocking",
    ),
    (
        "staff",
        "email",
        "Forwarding what Hollis wrote us: the indemnity is void if we knew about the leak, so nobody should mention the March inspection.",
    ),
    (
        "staff",
        "email",
        "Memo to file: spoke with the night nurse about the fall. She says the rail was down. Prepared for Ms. Alder ahead of the Tran hearing.",
    ),
    (
        "staff",
        "email",
        "Draft cross outline for Dr. Pell is in the folder, please add the two prior inconsistent statements.",
    ),
    (
        "staff",
        "email",
        "Our attorneys believe the odds of keeping the patent are no better than even, so the board wants a reserve.",
    ),
    (
        "staff",
        "slack",
        "gc said we can't tell the customer about the breach until forensics is done, keep it quiet pls",
    ),
    (
        "staff",
        "slack",
        "outside counsel wants all texts with Brightline saved, dont delete anything",
    ),
    (
        "third_party",
        "email",
        "Per your instructions I inspected the beam for the Ortega case. In my opinion the welds failed first, which does not help your client. I have not put that in a report.",
    ),
    (
        "client",
        "email",
        "Thanks for the call. So to confirm, you think we should reject the offer and file before the end of the month because the clock is running?",
    ),
    (
        "client",
        "email",
        "You told me not to talk to the adjuster. He has called three times now. Can I at least tell him my car is drivable?",
    ),
    (
        "client",
        "email",
        "I need to tell you something before the hearing: I did send that message, and I deleted it afterwards.",
    ),
    ("client", "sms", "quick q, does my prenup cover the crypto or not"),
    (
        "client",
        "email",
        "Wir haben dem Mieter gekündigt, aber er zieht nicht aus. Dürfen wir das Schloss austauschen?",
    ),
    ("client", "email", "Me despidieron estando de baja. ¿Puedo reclamar o ya pasó el plazo?"),
    (
        "client",
        "email",
        "INV-2231 is approved, thanks. By the way, the tenant upstairs says he will sue over the noise, do we have any exposure there?",
    ),
    (
        "client",
        "email",
        "Paid the retainer this morning. Now about the summons: do I have to be there in person or can you go for me?",
    ),
    (
        "counsel",
        "email",
        "Invoice 3391 attached. As to the subpoena, object to items 4 and 7 and produce the rest; the custodian's calendar is not relevant.",
    ),
    (
        "staff",
        "email",
        "PRIVILEGED & CONFIDENTIAL\n\nSummary of our talk with the warehouse team on the forklift accident is below.",
    ),
    ("client", "email", "What is the worst that can happen if we ignore the cease and desist?"),
    (
        "client",
        "email",
        "The city cited us for the sign again. Do we fight it or just take it down?",
    ),
    (
        "client",
        "email",
        "My business partner wants out. How do we value his half, and can he start a competing shop next door?",
    ),
    (
        "client",
        "email",
        "If the audit finds the 2021 invoices, are we talking penalties or something criminal?",
    ),
    ("staff", "slack", "Can we use the customer's logo on our site without asking? @counsel"),
    (
        "client",
        "email",
        "The insurance adjuster offers 9,000 for the car and wants a release signed. Is that fair or do we push?",
    ),
    (
        "client",
        "email",
        "My sister took mom's jewelry before the funeral. Is there anything I can do?",
    ),
    ("client", "email", "We want to let Karl go before his shares vest. How risky is that?"),
    ("client", "email", "The other parent moved without telling me. Does that help me in court?"),
    ("client", "sms", "boss says if i dont waive overtime im out. can he do that"),
    ("client", "sms", "police took my phone. do they need a warrant to look in it"),
    (
        "client",
        "email",
        "Could the neighbour claim the strip by the garage if we let him use it for another year?",
    ),
    (
        "client",
        "email",
        "Our franchisee stopped reporting sales. Would it be safer to terminate now or to give notice first?",
    ),
    (
        "client",
        "email",
        "Please look at clause 7 before I sign. Does it mean I can't work for anybody in the state?",
    ),
    (
        "client",
        "email",
        "Is it smarter to answer the EEOC letter ourselves or should it come from you?",
    ),
    (
        "client",
        "email",
        "We'd rather not produce the Slack messages. What is the minimum we have to hand over?",
    ),
    ("client", "email", "A reporter asked about the lawsuit. Can I say anything at all?"),
    (
        "counsel",
        "email",
        "Having reviewed the lease, I think the landlord is on solid ground regarding the roof. You may deduct nothing without a court order.",
    ),
    (
        "counsel",
        "email",
        "We should get ahead of this: tell the lender about the covenant breach before the quarter closes, in writing, through me.",
    ),
    (
        "counsel",
        "email",
        "Their offer of 85 is low but not crazy. Given the venue, I put a verdict between 60 and 140.",
    ),
    ("counsel", "sms", "no. don't post about it, not even to friends"),
    (
        "counsel",
        "sms",
        "you can keep the dog for now, it's marital property until the judge says otherwise",
    ),
    ("staff", "email", "Ruth's view is that the clause is unenforceable in Ohio, so HR can relax."),
    (
        "staff",
        "email",
        "Notes from call with counsel: three witnesses, two helpful; do not contact the third.",
    ),
    (
        "staff",
        "call_note",
        "Client wants to know if she can record her husband's threats on the phone. Elena to call back.",
    ),
    (
        "staff",
        "slack",
        "counsel's memo on the merger says the union has consultation rights, so we need to delay the announcement",
    ),
    (
        "client",
        "slack",
        "we fired him friday. today he sent a doctor's note dated thursday. are we screwed?",
    ),
]
ORDINARY: list[Row] = [
    (
        "client",
        "email",
        "Please find our signed engagement letter attached. Looking forward to working with you.",
    ),
    ("client", "email", "Can you resend invoice 4410? I can't find the PDF."),
    ("client", "email", "Should I pay by card or is ACH better for you?"),
    ("client", "email", "Do we have to pay the late fee as well, or only the invoice?"),
    ("client", "sms", "can i pay half now and half on the 15th"),
    ("client", "sms", "is it ok if i drop the check at your office tmrw"),
    (
        "client",
        "email",
        "We will not be renewing the contract next year. Please cancel at the end of the term.",
    ),
    ("client", "email", "Could you explain the 1.2 hours on March 3? I don't remember that call."),
    (
        "client",
        "email",
        "We dispute line 3 of the invoice, the goods arrived damaged. Please issue a credit note.",
    ),
    ("client", "sms", "if u keep texting me im calling my lawyer"),
    ("client", "email", "I will see you in court if this charge is not reversed."),
    (
        "third_party",
        "email",
        "Please direct all further communication regarding this debt to our office. We represent Ms. Keller.",
    ),
    (
        "third_party",
        "email",
        "Your LegalEase subscription renews on May 1. Manage your plan online.",
    ),
    ("third_party", "email", "The clerk of the court has moved the hearing room to 4B."),
    ("counsel", "email", "I'm running ten minutes late for our call, please start without me."),
    (
        "counsel",
        "email",
        "Please send the signed copy to my assistant, and let her know which courier you use.",
    ),
    ("counsel", "email", "Thank you for your payment of $1,200. A receipt is attached."),
    ("counsel", "email", "Our offices will be closed on Monday for the holiday."),
    ("counsel", "sms", "Confirming 3pm Tuesday at my office. Bring your ID."),
    ("counsel", "email", "Merry Christmas to you and the family! See you in the new year."),
    ("staff", "slack", "legal approved the new MSA template, it's in the drive"),
    ("staff", "slack", "who has the legal pads? we're out"),
    ("staff", "slack", "reminder: compliance training is due Friday, takes 20 minutes"),
    ("staff", "slack", "the customer's contract says net 45, so don't chase before the 15th"),
    ("staff", "email", "Attached is the contract for renewal. Please sign and return by Friday."),
    ("staff", "email", "The rate card is confidential, please do not forward it to resellers."),
    (
        "staff",
        "email",
        "Our lawyer is on holiday until the 9th, so the papers will be a few days late.",
    ),
    ("staff", "call_note", "Caller asked for the address of the court house. Gave it."),
    ("staff", "call_note", "Client confirms she got the invoice, will pay Friday by ACH."),
    ("staff", "call_note", "Judge's clerk rang to move the date to the 14th. Calendar updated."),
    ("client", "email", "Is the trial version limited to three users? Can we upgrade mid-term?"),
    ("client", "email", "Please settle our account by sending the final invoice."),
    (
        "client",
        "email",
        "Can we terminate the subscription with 30 days' notice? The contract says 60 but sales told us 30.",
    ),
    ("client", "email", "What happens if I miss the payment date?"),
    ("client", "email", "Do you have an update on our claim for the damaged shipment?"),
    (
        "client",
        "email",
        "My attorney is also my neighbor, small world! Anyway, payment goes out today.",
    ),
    ("client", "email", "We'd like your opinion on the new logo. Which of the two do you prefer?"),
    ("client", "email", "Should we order 40 or 50 units? What do you recommend?"),
    ("client", "email", "Can we move the meeting to Thursday? I have a dentist at ten."),
    (
        "third_party",
        "email",
        "We would recommend replacing the filter now; otherwise the unit could fail before winter.",
    ),
    (
        "staff",
        "email",
        "I'd hold off on the upgrade until the patch is out, otherwise the build could break.",
    ),
    ("staff", "slack", "don't reply to the customer yet, waiting for the refund to clear"),
    ("staff", "slack", "should we move the deadline for the landing page? design is late"),
    (
        "client",
        "email",
        "Got your letter about the rent increase for the office, fine with us. Invoice as usual.",
    ),
    ("staff", "email", "Please remember that our policy does not allow pets in the office."),
    ("client", "email", "Thanks for dinner. Say hi to your lawyer husband!"),
    (
        "third_party",
        "email",
        "Notice of Appearance: please take notice that the undersigned appears for the defendant.",
    ),
    ("client", "email", "Do I need to sign the W-9 again this year or is the old one still valid?"),
    ("client", "email", "The invoice says 'legal services' but we bought a printer from you??"),
    (
        "client",
        "email",
        "Do we have to be there for the installation or can the janitor let you in?",
    ),
    (
        "staff",
        "email",
        "Nina from AP here: can you confirm the bank holiday schedule? We don't want to pay late.",
    ),
    (
        "client",
        "email",
        "Approved. Please charge the card on file.\n\nThis communication is protected by the attorney-client privilege and the work product doctrine. If you received it in error, delete it.",
    ),
    ("client", "email", "Can you send me the signed contract and the delivery records for March?"),
    ("client", "email", "What is the deadline for signing the contract?"),
    (
        "client",
        "email",
        "Could you confirm which section of the agreement covers the price increase?",
    ),
    ("client", "email", "Is the deposit refundable if we cancel the event?"),
    (
        "client",
        "email",
        "Do you need a purchase order before you can start, or is the signed quote enough?",
    ),
    ("client", "email", "Which documents do you need from us to set up the account?"),
    ("client", "email", "Can we get a copy of the contract we signed in 2022?"),
    ("client", "email", "The terms say net 30 but the invoice says net 15. Which one is right?"),
    (
        "client",
        "email",
        "Our auditors need a confirmation of the balance as of December 31. Can you send it to them directly?",
    ),
    (
        "client",
        "email",
        "When does the insurance on the equipment expire? Our landlord needs the certificate.",
    ),
    ("client", "email", "Is the roof repair still planned for May? We have to tell the tenants."),
    (
        "client",
        "email",
        "Please change the name on the agreement to Harlow Holdings Ltd., the company was renamed.",
    ),
    ("client", "email", "Does the warranty cover the pump? It failed after two months."),
    ("client", "email", "We were charged twice. Can I get my money back?"),
    ("client", "email", "Can I appeal the late fee? It was the bank's mistake."),
    ("client", "email", "How do I file a complaint about the technician?"),
    ("client", "email", "Who is the right person to talk to about the data processing agreement?"),
    ("client", "email", "Please sign the attached NDA so that we can share the plans."),
    ("client", "email", "Where can I find your privacy policy and the GDPR contact?"),
    ("client", "email", "Can my partner pick up the documents? He has a power of attorney."),
    ("client", "email", "Our board meets on Tuesday, can you send the proposal before that?"),
    ("client", "sms", "do i have to bring my license and the title when i come in?"),
    ("client", "sms", "is the offer still good? i can sign today"),
    ("client", "sms", "can my ex pick up the car, it's in both names"),
    ("client", "sms", "u guys open on the 4th?"),
    ("client", "sms", "did my check clear"),
    ("client", "sms", "is there a fine if i'm a day late"),
    ("staff", "email", "Reminder: all employees must sign the new handbook by Friday."),
    (
        "staff",
        "email",
        "Please update the contract template with the new address before you send it out.",
    ),
    (
        "staff",
        "email",
        "Do we have the signed agreement from Alder? Finance needs it before we can invoice.",
    ),
    ("staff", "email", "Should we offer Tran a payment plan or wait until the end of the month?"),
    ("staff", "email", "HR asks everyone to enter their overtime by Wednesday."),
    ("staff", "slack", "can someone pull the contract for Northwind? need the renewal date"),
    ("staff", "slack", "what are our options if the API stays down? do we fail over?"),
    ("staff", "slack", "should I tell the customer about the outage or will support do it?"),
    ("staff", "slack", "is it ok if I expense the taxi to court street office?"),
    ("staff", "slack", "who signs the lease for the Denver office, Ann or Bob?"),
    (
        "staff",
        "slack",
        "how long do we have to keep invoices on file? asking for the archive cleanup",
    ),
    ("staff", "slack", "do we need a permit for the street banner or does the agency handle it"),
    ("staff", "call_note", "Client asked whether we take Amex and when the next payment is due."),
    ("staff", "call_note", "Asked for a copy of her file. Told her it will be emailed."),
    ("staff", "call_note", "Wants to know if the documents arrived by courier. Told him yes."),
    ("staff", "call_note", "Client asks if she can move her appointment with Ruth to Friday."),
    (
        "third_party",
        "email",
        "We are pleased to offer a discount on trial exhibits and court reporting services.",
    ),
    (
        "third_party",
        "email",
        "This is the county tax office. Your property tax statement for the deed in Book 44 is available online.",
    ),
    (
        "third_party",
        "email",
        "Please find attached plaintiff's first set of interrogatories. Responses are due in 30 days.",
    ),
    (
        "third_party",
        "email",
        "Our client demands payment of $40,000 within ten days, failing which we will file suit.",
    ),
    (
        "third_party",
        "email",
        "I am writing on behalf of the insurer. Please provide the police report and photos of the vehicle.",
    ),
    (
        "third_party",
        "email",
        "Your domain registration expires soon. Renew now to keep your rights to the name.",
    ),
    (
        "third_party",
        "email",
        "The bank requires the signed guarantee before it releases the funds.",
    ),
    (
        "third_party",
        "email",
        "News: the Supreme Court ruled on the landlord case today, see our article.",
    ),
    (
        "counsel",
        "email",
        "Could you send me the signed lease and the last three rent receipts when you have a minute?",
    ),
    ("counsel", "email", "Please call my office to set a time to sign the documents."),
    ("counsel", "email", "I'll be in trial all week; my colleague Ben can help with scheduling."),
    (
        "counsel",
        "email",
        "Enclosed are two originals of the agreement for signature. Please return one.",
    ),
    ("counsel", "email", "Our fee for the review is a flat $900, payable on engagement."),
    (
        "counsel",
        "email",
        "Great seeing you at the fundraiser, and congratulations on the new warehouse.",
    ),
    ("counsel", "email", "Thanks, received. Have a good weekend."),
    (
        "client",
        "email",
        "Thanks Ruth, got it. I'll pay the invoice tomorrow and see you at the hearing on Friday.",
    ),
    (
        "client",
        "email",
        "Thank you for explaining the bill. The retainer will be topped up by Friday.",
    ),
    ("client", "email", "Happy new year! Is your office closed on the 2nd?"),
    (
        "client",
        "email",
        "The check for the settlement administrator's fee, invoice 88, went out today.",
    ),
    (
        "client",
        "email",
        "We are switching banks, the new account opens next week. I'll send a voided check.",
    ),
    (
        "client",
        "email",
        "Our records show invoice 12 as paid on May 3. Can you check the records on your side?",
    ),
    ("client", "email", "I never got a reply to my complaint about the noise during installation."),
    ("client", "email", "Do I get a receipt for my taxes?"),
    ("client", "email", "Can I claim VAT on this invoice? It has no VAT number on it."),
    ("client", "email", "Did legal finish reviewing the MSA? We'd like to sign this week."),
    ("client", "email", "Our legal team will send redlines to the MSA tomorrow."),
    ("client", "email", "Please add my husband to the account, he handles the bills now."),
]
HEALTH: list[Row] = [
    (
        "client",
        "email",
        "I'm behind on everything because my husband was diagnosed with lymphoma in June.",
    ),
    ("client", "sms", "cant make it thurs, kid has strep"),
    ("client", "sms", "in the er w my mom, she had a stroke. will pay next week"),
    (
        "staff",
        "email",
        "Hi Mr. Osei, your MRI shows a small tear in the meniscus. Dr. Lund would like to discuss surgery.",
    ),
    ("staff", "sms", "Hi Tom, your Adderall refill is ready at the front desk."),
    (
        "staff",
        "call_note",
        "Mrs. Vance called, blood pressure 180/110 this morning, told her to go to urgent care.",
    ),
    ("staff", "call_note", "pt Ruiz no show x2, still on suboxone per last note"),
    (
        "client",
        "email",
        "My insurance denied the IVF cycle again. Can you send the letter of necessity to Cigna?",
    ),
    (
        "client",
        "email",
        "Please send Anna's vaccination record and the allergy test to her school.",
    ),
    ("staff", "slack", "fyi Marcus is out all week, his chemo started monday"),
    ("staff", "slack", "Jen's on maternity leave early, preeclampsia, baby's ok"),
    ("staff", "slack", "the Okafor girl needs her inhaler form signed before camp"),
    (
        "client",
        "email",
        "I have been sober for two years and your waiting room served wine at the opening.",
    ),
    (
        "third_party",
        "email",
        "Re: Leon Fisk. Claim 88121 for physical therapy, 12 visits, denied as not medically necessary.",
    ),
    ("third_party", "email", "Pathology report for K. Mbeki: specimen negative for malignancy."),
    ("client", "email", "the depression is back and I can't face the paperwork, sorry"),
    ("client", "sms", "had a c section on friday, pls give me till the 20th"),
    (
        "client",
        "email",
        "Meine Frau liegt mit einem Schlaganfall im Krankenhaus, die Zahlung kommt später.",
    ),
    ("client", "email", "Mi hijo tiene leucemia y estamos con quimio cada semana."),
    (
        "client",
        "email",
        "Can you bill Medicaid for Lucy's dental visit? She lost her coverage in May and got it back.",
    ),
    ("staff", "sms", "Reminder for Carla: fasting labs Wednesday 8am, hold the metformin"),
    ("client", "email", "He hasn't been the same since the concussion and forgets to open mail."),
    ("staff", "email", "Dr. Sato asked that we move Mr. Bruno's colonoscopy to the 14th."),
    ("client", "email", "I broke my hip in the fall at your store."),
    ("client", "email", "Since the accident I can't walk without crutches and I'm off work."),
    (
        "staff",
        "call_note",
        "Daughter says dad has early Alzheimer's, wants to be on the account to pay bills",
    ),
    ("client", "email", "I'm HIV positive and need to know who sees this form."),
    (
        "client",
        "sms",
        "test came back positive, staying home this week. will mail the cheque after",
    ),
    (
        "staff",
        "slack",
        "Don't schedule Priya before 10, she has her methadone appointment mornings",
    ),
    (
        "client",
        "email",
        "My therapist says I should avoid conflict, so please email instead of calling.",
    ),
]
NOBODYS_HEALTH: list[Row] = [
    ("client", "email", "Your statement from Bright Smiles Dental is ready. Balance $120."),
    (
        "staff",
        "email",
        "Reminder: appointment with Dr. Lund on Tuesday at 9:00. Reply C to confirm.",
    ),
    ("client", "email", "We make software for hospitals and would like a quote for 40 seats."),
    (
        "client",
        "email",
        "Please ship 200 blood glucose meters and 50 boxes of test strips to our warehouse.",
    ),
    (
        "third_party",
        "email",
        "Join us for Breast Cancer Awareness Month: free screening in the lobby.",
    ),
    ("third_party", "email", "FDA approves new drug for type 2 diabetes after large study."),
    ("staff", "email", "Our new health plan starts in January. Open enrollment ends on the 15th."),
    ("staff", "slack", "this spreadsheet is giving me a headache"),
    ("staff", "slack", "the build is sick, who broke it"),
    ("staff", "slack", "we need to stop the bleeding on churn"),
    ("staff", "slack", "I'm allergic to meetings before 10 lol"),
    ("staff", "slack", "the printer died again, call the doctor"),
    ("client", "email", "Sorry for the delay, I was on holiday."),
    ("client", "email", "I'm sick and tired of these fees."),
    ("client", "email", "Dr. Patel's office would like to renew the waste collection contract."),
    ("client", "email", "The clinic on Main Street paid twice, please refund one."),
    ("staff", "email", "Please review the treatment of the lease incentive in the accounts."),
    ("staff", "email", "The operation in Denver will be closed on Friday."),
    ("client", "email", "My heart isn't in this project any more, let's cancel."),
    ("client", "sms", "dead tired, will pay tmrw"),
    ("client", "sms", "lol ur prices make me ill"),
    ("staff", "sms", "Your order of vitamins has shipped."),
    ("staff", "email", "Invoice for 3 wheelchairs and 2 hospital beds, Mercy Hospital."),
    ("client", "email", "Can you add Nurse Jackie merch to the order for our fans?"),
    ("staff", "email", "Patient satisfaction scores rose 4% last quarter."),
    ("staff", "email", "Our ER diagram needs another table for refunds."),
    ("client", "email", "We donate to the Heart Foundation every year, can you match it?"),
    ("third_party", "email", "Nurses wanted: full time positions at Lakeside Hospital."),
    ("staff", "slack", "prod had a seizure last night, cache cluster in a coma"),
    ("client", "email", "My car is in the body shop for a new bumper, so I can't come by."),
    ("client", "email", "Kelly in accounts is on vacation until the 9th, Bob will approve."),
    ("client", "email", "We are a family practice of six doctors and need a new phone system."),
    ("staff", "email", "The doctor will see the demo at 3, bring the tablet."),
    ("client", "email", "Is your software HIPAA compliant? We handle patient records."),
    ("staff", "email", "Training: how to talk to clients about cancer insurance products."),
    ("client", "email", "The delivery of the baby cribs is late again."),
]


def labels(row: Row, subject: str | None = None) -> set[Label]:
    sender, channel, body = row
    return set(screen(Content(body, sender, channel, subject)).labels)


@pytest.mark.parametrize("row", PRIVILEGED, ids=range(len(PRIVILEGED)))
def test_legal_advice_asked_given_or_passed_on_is_privileged(row: Row) -> None:
    assert Label.PRIVILEGED in labels(row)


@pytest.mark.parametrize("row", ORDINARY, ids=range(len(ORDINARY)))
def test_ordinary_mail_is_not_sealed(row: Row) -> None:
    assert Label.PRIVILEGED not in labels(row)


@pytest.mark.parametrize("row", HEALTH, ids=range(len(HEALTH)))
def test_the_health_of_a_person_is_sealed(row: Row) -> None:
    assert Label.PHI in labels(row)


@pytest.mark.parametrize("row", NOBODYS_HEALTH, ids=range(len(NOBODYS_HEALTH)))
def test_words_of_health_without_a_person_are_not_sealed(row: Row) -> None:
    assert Label.PHI not in labels(row)


def test_a_header_seals_and_a_footer_does_not() -> None:
    """C-23."""
    header = "PRIVILEGED & CONFIDENTIAL\n\nSummary of Monday's talk with the warehouse team."
    footer = "Paid today, thanks.\n\nThis email may contain privileged information."
    assert labels(("staff", "email", header)) == {Label.PRIVILEGED}
    assert labels(("client", "email", footer)) == {Label.NONE}


def test_a_header_on_an_office_notice_proves_nothing() -> None:
    notice = "PRIVILEGED AND CONFIDENTIAL\n\nThe kitchen is closed on Thursday. Bring lunch."
    assert labels(("staff", "email", notice), "PRIVILEGED AND CONFIDENTIAL") == {Label.NONE}


@pytest.mark.parametrize(
    ("sender", "role"),
    [
        ("counsel", Role.COUNSEL),
        ("dana@firm.example", Role.COUNSEL),
        ("ann@partner.example", Role.COUNSEL),
        ("other@harlowlaw.example", Role.COUNSEL),
        ("them@rivallaw.example", Role.THIRD_PARTY),
        ("ap@northwind.example", Role.UNKNOWN),
    ],
    ids=["named", "address", "domain", "by its name", "opposing", "stranger"],
)
def test_counsel_is_known_by_address_and_domain(sender: str, role: Role) -> None:
    parties = Parties(
        frozenset({"dana@firm.example", "partner.example"}), frozenset({"rivallaw.example"})
    )
    assert role_of(sender, parties) is role


def test_the_same_words_are_advice_from_counsel_only() -> None:
    words = "He is probably right for the accounts before 2021. I'd honour the old rate."
    assert labels(("counsel", "slack", words)) == {Label.PRIVILEGED}
    assert labels(("third_party", "slack", words)) == {Label.NONE}

/**
 * Passwords that many people have, of the lists of breached ones that @zxcvbn-ts/language-common 4.1.3 (MIT) and Django 5.2 (BSD)
 * carry: those of 12 characters and more as they are, and the 3000 most common words among the shorter ones. Coarse words are left out.
 */

const list = (text: string): ReadonlySet<string> =>
  new Set(text.split(/\s+/).filter((word) => word !== ''));

/** Common passwords of 12 characters and more, in lower case. */
export const commonPasswords = list(`
"1,00001e+14" "zxcvbnm,./" 000000000000 010203040506 012345678910 014702580369 01telemike01 050605rostik
0r968ji9ufj6 102030405060 111111111111 111111111111111 1111111111zz 111222333000 111222333444555 111222tianya
112233445566 122333444455555 123123123123 123123qweqwe 123321123321 123321456654 123321qweewq 123456123456
123456654321 12345677654321 123456782000 1234567887654321 1234567890-= 123456789000 12345678900987654321
123456789012 1234567890123 12345678901234567890 1234567890987654321 1234567890qaz 1234567890qw 1234567890qwe
1234567890qwerty 1234567890qwertyuiop 1234567890zzz 123456789101 1234567891011 123456789101112 123456789123
123456789123456 1234567891234567 123456789123456789 1234567892000 12345678987654321 123456789987654321 123456789aaa
123456789abc 123456789asd 123456789qaz 123456789qqq 123456789qwe 123456789qwer 123456789qwerty 123456789zxc
1234567qwertyu 123456qwerty 123456zxcvbn 1234qwerasdf 1234qwerasdfzxcv 123admin321a 123ewqasdcxz 123qwe123qwe
123qwe456rty 123qweasdzxc 123qwerty123 12qw34er56ty 159753159753 159753456852 193570356033 19960610ilja 1a2a3a4a5a6a
1a2s3d4f5g6h 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i 1q2w3e4r5t6y7u8i9o 1q2w3e4r5t6y7u8i9o0p 1qa2ws3ed4rf
1qa2ws3ed4rf5tg 1qaz2wsx3edc 1qaz2wsx3edc4rfv 1qazxsw23edc 1qazxsw23edcvfr4 23176djivanfros 23wkoa0fp78dk
31217221027711 32615948worms 41d8cd98f00b 420842084208555 4815162342lf 4815162342lost 520love101182 541233432442
5532361cnjqrf 59382113kevinp 6215mila6215 742617000027 89063032220m 89231243658s 89876065093rax 89semtsriuty
??????@mail.ru a1s2d3f4g5h6 abc123456789 admin18533362 administrator aksjdlasdakj89879 alpha135792468 amadeusptfcor
an83546921an13 andrewjackie antananarivu anytimetoday arabella24630 asd123asd123 asdfgh123456 asdfghjkl123
asdfghjkl:&#39: auckland2010 avrillavigne badiman28200 bhrh0h2oof6xbqjeh blacksonblon bltynbabrfwbz boy4u2ownnyc
bpgjldsgjldthnf bullnuts2003 businessbabe cheeseburger chesterfield chickenwing101 christopher1 civilization
cjdthitycndj cnfc35762209 combat123654 configuratio construction contortionist cookiemonster corperfmonsy
cosmopolitan counterstrike demon1q2w3e4r demon1q2w3e4r5t devilmaycry4 dfg5fhg5vgfh1 digitalprodu dkflbvbhjdbx
dkflbvbhjdyf domainlock2005 doomsayer.2.7mords.v doomsayer.2.7mords.vv edwardcullen entertainment ezekiel11991
fallen_angel familiyafamiliya fatima753357 finalfantasy findaupair007 fkmnthyfnbdf fktrcfylhjdbx fktrcfylhjdf
fktrcfylhjdyf flvbybcnhfnjh foreveryoung frederiksberg fynfyfyfhbde g13916055158 gettherefast gfhfktkjuhfv
gfhjkmgfhjkm ghbdtnghbdtn ghbdtnrfrltkf ghhh47hj7649 ghjatccbjyfk ghjcnjgbpltw ghjcnjgfhjkm ghjcnjghjcnj
ghjcnjqgfhjkm ghjcnjrdfibyj ghjnbdjcnjzybt ghtdtlvtldtl gjkysqgbpltw googletester greenlantern gthtrfnbgjkt
gtnhjpfdjlcr hannahmontana hawkesbury93 hd764nw5d7e1vb1 hd764nw5d7e1vbv hedimaptfcor iampurehaha2 ichliebedich
ihatethisgame iloveboobies ilovemyfamily imyaimyaimya inactive1996aug ingodwetrust installdevic installsqlst
intelligence international internazionale ipo54tj45uy856 iseedeadpeople jamesbond007 jesuslovesme jkiuztdftl57
john!20130605at1753 josephphone7 jundian2011xr justinbieber kartoffelpuffer knackwurst8853 ktjynsq40147
laurel12creek leavemealone leliane50934 lhbjkjubz2957704 lightpower12345 linkedin2011 liverpool123 lost4815162342
love777321777 lovelovelove lydcc20091314 lytdybrbdfvgbhf lytghjgtnhjdcr m01759766727 mailcreated5240
manchesterunited maprchem56458 marek14michal marinamarina massimiliano masterbaiting masterbating masturbation
maurolarastefy mega_pizdetz666 megaparol12345 mevefalkcakk michaeljackson migrationschool minecraft123 minnesota_hp
moderncombat morganstanley mortalkombat msoracle32re msorcloledbr n8zgt5p0shw= nastyanastya natiichen999
ne_e_pod_chehyl necronomicon needforspeed nemvxyheqdd5oqxyxyzi networkingpe neworleans12345 newproject2004
nhbujyjvtnhbz nhecsyfujkjdt nhfdvfnjkju123 nhfycajhvths nick1234-rem936 nightcrawler nondriversig ntktdbpjh1994
olcrackmaster onedirection ontheoutside paraklast1974 password1234 password12345 password123456 passwordassword
passwordpassword passwordstandard pe#5gz29ptzmse peanutbutter pfqwtd27121988 philadelphia playstation2 playstation3
polniypizdec0211 polniypizdec1102 polniypizdec110211 professional projectsadminx przyjaciolki ptybnxtvgbjy
punksnotdead q1w2e3r4t5y6 q1w2e3r4t5y6u7 q1w2e3r4t5y6u7i8 q1w2e3r4t5y6u7i8o9p0 qawsedrftgyh qaz123wsx456
qazwsx123456 qazwsxedc123 qazwsxedcrfv qazwsxedcrfvtgb qazwsxqazwsx qazxswedc123 qazxswedcvfr qwaszxerdfcv
qwe123qwe123 qweasdzxc123 qwegta13091990 qwerasdfzxcv qwertasdfgzxcvb qwerty123456 qwerty123456789 qwertyasdfgh
qwertyqwerty qwertyuiop10 qwertyuiop12 qwertyuiop123 qwertyuiop12345 qwertyuiop[] qwertyytrewq residentevil
rfnthbyf1988 ronaldinho10 s8ylpe9jdpvym sanfrancisco satisfaction saun24865709 scandinavian schoolgirlie
sdf7asdf6asdg8df sdicmt7seytn sebastian106 seemnemaailm seniseviyorum sojdlg123aljg somanypickles27 sonnenschein
sonyericsson specialinsta startfinding starwarsfan10 stefangreil1983 stickdaddy77 stinkyfinger stratocaster
supernatural systemofadown telechargement temppassword thecakeisalie ticketmaster total12scherz transformers
unbelievable vanyarespekt vfhbyfvfhbyf vfrcbvvfrcbv vfvfvskfhfve vitor1268123 vladimirovna warhammer40k wazzkaprivet
websolutions websolutionssu webuivalidat weihnachtsbau weihnachtsbaum weronika1992 whosyourdaddy xantria10315
xtseo2011tdx yandi20080527 yemi19900911 yfdbufnjh10305070 z1x2c3v4b5n6 z1x2c3v4b5n6m7 zaq12wsxcde3 zaq1xsw2cde3
zaqwsxcderfv zcfvfzkexifz zmx870919123 zqjphsyf6ctifgu zxcasdqwe123 zxcvbn123456 zxcvbnm123456789 zxcvbnmmnbvcxz
`);

/** Common passwords that are one word of 4 to 11 letters, in lower case. */
export const commonWords = list(`
aardvark aaron aberdeen abgrtyu abigail access accord account achilles action active adam adgjmptw adidas admin
admiral adrian adriana adult aezakmi africa aggies aikido airborne airbus airforce airplane alabama alan alaska
albatros albert alberto albion alejandr aleksandr alex alexande alexander alexandr alexandra alexis alfred alibaba
alice alicia alien aliens alison allen alliance allison allsop alpha alpine always alyssa amadeus amanda amateur
amazon amber amelia america american amsterda amsterdam anaconda anakin anarchy anastasia anders anderson andre
andrea andreas andrei andrew andrey andy anfield angel angela angelica angelina angelo angels angie anhyeuem animal
anime anna annette annie anthony anton antonio anubis anything apache apollo apple applepie apples april aquarius
aragorn archer archie arizona arjay armani arnold arsenal artemis arthur artist asdasd asdf asdfasdf asdfg asdfgh
asdfghj asdfghjk asdfghjkl asdfjkl asdzxc ashley ashton asian aspire aspirine assass assassin assman asterix astros
athena atlanta atlantic atlantis atomic attack auburn audrey august aurora aussie austin australi australia autumn
avalon avatar avenger awesome azamat azerty azsxdc azsxdcfv babe babes babies baby babyboy babydoll babygirl babylon
backdoor bacon badass badboy baddog badger baggins bailey ball baller balloon balls bambam banana bananas bandit
bang bangbang bangkok banshee barbara barbie barcelon barcelona barkley barney barry barsik bart baseball basket
basketba basketball bass bassman bastard batman battle baxter beach beagle beaner bear bearbear bears beast beatles
beatrice beautiful beauty beaver beavis beckham becky beefcake beer beetle belinda bell bella belle bender benjamin
bennett benson bentley berlin bernard bernie bertha bethany better betty beverly bianca bicycle bigballs bigbird
bigboobs bigboy bigdaddy bigdog bigfoot bigger biggie bigguy bigmac bigman bigmoney bigone bigred bigtime bikini
bill billie billy billybob billyboy bingo bird birdie birdman birthday biscuit bishop biteme bizkit blabla black
blackcat blackdog blackie blackjac blackman blacks blacky blade blades blahblah blake blaster blazer blessed
blizzard blonde blondes blondie blood bloody blow blowjob blowme blue bluebird blueblue blueeyes bluemoon blues
bluesky boat bobafett bobbie bobbob bobby bobcat boeing bogart bogdan bohica bollocks bollox bomber bond bondage
bone bonehead boner bones bonita bonjour bonnie bonsai boob boobies booboo boobs booger boogie boomer bootie boots
booty boris bosco boss bossman boston bottom bowler bowling bowser boxing boys brad bradford bradley brandi brando
brandon brandy brasil braves brazil breast breeze brenda brendan brian brianna bridge bridget bristol britney
brittany broadway broken bronco broncos brooke brooklyn brooks brother brothers brown brownie browns bruce brucelee
bruins bruno brutus bryan bryant bubba bubbas bubble bubbles buck buckeye buckeyes buddha buddy budlight budman
buffalo buffett buffy bugger bull bulldog bulldogs bullet bunghole bunny burger burton bush business buster butch
butler butt butter butterfl butterfly butthead butthole buttman buttons byteme cabbage cactus cadillac caesar
caitlin calico caliente californ california callie calvin camaro camel camelot camels camera cameron camilla camille
campbell canada cancel cancer cancun candle candy candyman cannon canon cantona capital capone captain caramel
cardinal carl carlo carlos carlton carmen carol carolina caroline carolyn carpet carrera carrie carrot carson carter
cartman cartoon caserta casey cash casino casper cassidy cassie castle catalina catdog catfish catherin catherine
catman cats cavalier caveman ccbill cdtnkfyf cecilia celeste celica celine celtic celtics center central cessna chad
chair champion champs chance chandler chanel chang change changeme chaos charger chargers charles charley charli
charlie charlott charlotte charlton charly charmed chase chaser check cheers cheese cheetah chelsea cheng cherokee
cherry cheryl chester chevelle chevrole chevy chewie cheyenne chicago chichi chicken chickens chicks chico chief
chiefs children china chipper chloe chocolat chocolate chopper chris chrissy christ christia christian christin
christine christop christopher christy chronic chubby chuck chucky church cinder cindy cinnamon city cjkysirj cjkywt
claire clancy clapton clarence classic claude claudia clayton clemson clifford clinton clipper clitoris clover cobra
cocacola coconut cody coffee coke coleman colleen college collins colombia colorado colors coltrane columbia
columbus comics command commando compaq computer concrete condom condor connect conner connie connor conrad consumer
content control cookie cookies cool cooldude cooler coolio coolman cooper cooter copper corona corrado corvette
cosmo cosmos cosworth cotton cougar country courtney cowboy cowboys coyote cracker crash crazy crazybab cream
creampie creamy creative credit cricket crimson cristina critter cruise crunch crusader crysis crystal cthulhu
cthutq cuddles cupcake curious curtis cutlass cutter cxfcnmt cyclone cynthia daddy dagger daisy dakota dale dallas
dalton damian damien dammit damnit dana dance dancer danger danie daniel daniela danielle daniil danila danni danny
dannyboy dark darkness darkside darkstar darling darren darwin dave david davids davidson davis dawg dawson daytona
dbrnjhbz dead deadhead deadman dean deanna death debbie deborah december deedee deeznuts defender defiant deftones
delete delta demon denali denis denise deniska dennis denver depeche derrick desert design designer desire deskjet
destiny detroit devil devildog devils dexter dfkthbz dfkthf dfvgbh diablo diamond diamonds diana diesel dietcoke
digger digital dilbert dildo dilligaf dillon dima dinamo ding dingdong dinosaur direct director dirty discover
disney divine dixie dkflbvbh doberman doctor dodge dodger dodgeram dodgers dogg doggie doggy dogman dogs dollar
dolphin dolphins dominic domino donald dong donkey donna donnie doobie doodle dookie dorothy double doughboy douglas
down dracula drago dragon dragons dragoon drake dream dreamer dreams drew driver drizzt drowssap drpepper drummer
dthjybrf dublin ducati duchess duck dude dudley duke dumbass duncan durango duster dustin dusty dylan eagle eagles
easy eatme eclipse eddie eduard edward eeyore eileen einstein ekaterina elaine electric element elena elephant
eleven elijah elizabet elizabeth elliot elliott elvira elvis elwood emerald emerson emily eminem emma emmanuel
empire energy engage engine engineer england english enigma enjoy enter enterpri enterprise eric ericsson erik
ernest erotic escape escort esther eternity eugene evelyn everest everton excalibu exigen exigent exodus explorer
express extreme fabian fabie faggot faith falcon falcons fallen family fantasy farmer farside fart fashion fast
faster fatass fatboy fatcat father fatima fatman feather february feet felicia felix fender fernand fernando ferrari
ferret fetish ficken fiesta figaro fighter filter finger fingers finish fire fireball firebird firefly firefox
fireman first fish fisher fishing fitness fktrcfylh fktrcfylhf fktrctq flames flamingo flash flatron fletch fletcher
flight flipper florence florian florida flower flowers fluffy flyboy flyers flying foobar football ford forest
forever forget forgot formula forrest fortuna fortune fossil foster fowler foxtrot france frances francis franco
francois frank frankie franklin franky freak freaks freaky freckles fred freddie freddy frederic fredfred free
freedom freeman freepass freeuser french friday friend friends fright frisco fritz frog frogger froggy frontier
frosty fubar fugazi function funny funtime fusion future fyfcnfcbz fylhtq gabrie gabriel galaxy galina galore gambit
gandalf gang gangbang gangsta gangster garage garbage garcia garden garfield garrett gary gateway gator gators
gbpltw geheim gemini general genesis genius george georgia gerald gerard german germany geronimo getsome gfhjkm
ghbdtn ghbdtnbr ghetto ghjcnj ghost giant giants gibson gilbert gillian ginger giorgi giovanni girl girls gizmo
gizmodo gjkbyf global gloria gmoney goblin goblue goddess godsmack godzilla gofish goforit goku gold goldberg golden
goldfish goldie golf golfball golfer golfing goliath goober good goodbye goodluck goodtime google goose gopher
gordon gorilla gotcha gothic gotohell govols grace gracie graham grandma granny grateful great greatone green
greenbay greenday greens greg gregory gremlin grendel gretchen griffey griffin gringo grizzly groovy grover grumpy
guardian guest guiness guinness guitar gundam gunner gustav hacker hailey halflife hallo hamburg hamilton hamlet
hammer hammers hamster handsome hank hannah hannibal hansen hansolo happy happyday hard hardcore harder hardon
hardrock harley harmony harold harper harris harrison harry harvey hastings hawaii hawk hawkeye hayden hayley head
hearts heather heaven hector hedgehog heidi helen helena hell hellfire hello hellyeah help helpme hendrix henry
hentai herbert herbie hercules herman hermes hershey hesoyam hidden highland hilton hiphop history hithere hitler
hitman hjvfirf hobbes hobbit hockey holden holiday holland holly hollywoo hollywood holmes home homer homers homerun
honda honey hongkong hooker hooter hooters hoover hope hopper horndog hornet horney horny horse horses hotboy hotdog
hotrod hotshot hotstuff hottie house houses houston howard hudson hummer hungry hunter hunting hurrican husker
huskers huskies hustler hyperion ibanez icecream iceman iforgot igor iguana ihateyou illini iloveu iloveyo iloveyou
imagine immortal impala imperial incubus indian indiana indians indigo infantry inferno infiniti infinity ingrid
insane inside integra internet intrepid ireland irina irish ironman isabel isabella isabelle isaiah island israel
italia ivan ivanov ivanova iverson iwantu jack jackal jackass jackie jackoff jackson jacob jaguar jake jamaica james
jamesbon jamie jammer janice janine january japan japanese jarhead jasmin jasmine jason jasper javier jayhawk jazz
jazzman jeanette jedi jeep jeff jeffrey jenna jennie jennifer jenny jensen jeremiah jeremy jericho jerkoff jerome
jerry jersey jesse jessica jessie jester jesus jethro jimbo jimbob jimmy joanna joanne joejoe joey johanna john
johnjohn johnny johnson joker jokers jonathan jones jordan jose joseph josh joshua jrcfyf juan judith juice julia
julian julie juliet julius jumper junebug jungle junior jupiter justdoit justice justin justine justme juventus
kaiser kaktus kamikaze kangaroo kansas karate karen karina karolina kasper katana katerina kathleen kathryn kathy
katie katrin katrina kawasaki keeper keith kelley kelly kelsey kennedy kenneth kenny kenshin kentucky kenwood
kenworth kermit kevin keyboard keystone keywest kicker killbill killer killme kimber kimberly king kingdom kingfish
kingkong kingpin kingston kinky kipper kirill kirsten kiss kisses kissme kitkat kitten kitty kittycat klaster knicks
knight knights knopka kodiak kolobok kong koshka kotenok kramer krishna krista kristen kristi kristin kristina
kristy ktyjxrf kume kyle labrador labtec lacrosse ladies lady ladybug laguna lakers lancelot lancer lansing laptop
larisa larry lasvegas latin latino laura lauren laurie lawrence lawyer leader leather ledzep legacy legend legion
legolas lemons lennon leonard leonardo leopard lesbian lesbians leslie lespaul lestat lester letmein letsgo lewis
lexmark liberty lick licker lickit lickme life lifehack lifetime light lightnin lights lillian lincoln linda lindsay
lindsey lion lionking liquid lisa lisalisa little liverpoo liverpool lizard lizzie lobster logan logitech lolipop
lolita lollipop lollol london lonely lonestar lonewolf long longhorn looker looking lorenzo lorraine loser louise
loulou love loveit lovelove lovely loveme lover loverboy lovers loveyou loving lowrider lucas lucifer lucky luckydog
lucy ludwig luke luther lvbnhbq macdaddy machine macross madden maddie maddog madeline madison madman madmax madness
madonna madrid maestro maggie magic magick magnolia magnum magnus maiden mailman majestic makaveli maksim malaka
malcolm malibu mallard manager manchest manchester mandingo mandy maniac manson manuel manutd maradona marathon marc
marcel marco marcos marcus margaret margarita maria mariah marian marianne marie marilyn marina marine mariners
marines marino mario marion marisa marissa mark market markus marlboro marlene marley marlin marshall martha martin
martina martinez martini marvel marvin mary maryjane maryland mason massive master masters matador mathew matilda
matrix matt matthew mattie mature maurice maverick maxell maxima maximus maxine maxmax maxwell mayday mayhem maynard
meatball meatloaf mechanic megadeth megaman megan meghan melanie melinda melissa mellon melody melvin member memorex
memory memphis mercedes mercury meridian merlin mersedes metal metallic metallica method mexico miami michael
michaela michel michele michelle michigan mickey microlab microsof microsoft midget midnight mighty miguel mike
mikemike mikey milana milano milena miles military miller millie million milton mine minecraft minnie miracle mirage
miranda miriam mission missy mister mistress misty mitchell mobile models mojo mollie molly moloko molson momoney
monday money moneys mongoose monica monika monique monitor monkey monkeys monopoly monroe monster montana montreal
monty moocow mookie moomoo moon moose morgan morpheus morris morrison moscow mother motorola mountain mouse movie
movies mozart muffin mulder munchkin muppet murder murphy murray muscle mushroom music musicman mustang mustangs
mylove mypass myself mystery mystic nadine naked nancy napass napoleon naruto nascar nasty nastya natali natalia
natalie natasha nathalie nathan national natural nature naughty nebraska nellie nelson nemesis neptune network
nevada newlife newman newpass newport newton newyork nfnmzyf nguyen nicholas nick nicola nicolas nicole night nikita
nikki nikola nimrod nina niners ninja nintendo nipple nipples nirvana nissan nobody nofear nokia nolimit none noodle
noodles nookie nopass norman norton nothing november nugget nuttertools nyjets nylons nymets oakland oakley obiwan
oblivion october odessa office ohyeah oilers oklahoma oksana oldman oleg olga oliver olivia omega onelove online
onlyme open openup operator oracle orange oranges oregon orgasm orioles orion orlando oscar osiris outlaw overlord
oxford pacific packard packer packers pacman painter pakistan palace paladin palmer pamela panama panasonic pancho
panda pandora pantera panther panthers panties pantyhos panzer paradise paradox paris parker parola parrot party
pascal pass passat passion passport passwor password passwords passwort patches patricia patrick patriot patriots
patton paul pauline pavilion payton peace peaches peanut peanuts pearljam pebbles pedro peekaboo peewee pegasus
pencil penelope penguin penguins penny pentium people pepper pepsi perfect personal pervert pete peter peterpan
peters peterson peugeot phantom philip philips phillies phillip phillips philly phoebe phoenix photo photos phpbb
picard picasso piccolo pickle pickles pics picture pierre piglet pikachu pillow pilot pimp pimpin pineappl ping
pingpong pink pinkfloy pioneer pippen pirate pirates pistol pitbull pizza planet plastic platinum play playboy
player playtime please pleasure plumber plymouth poison pokemon polaris police polina polo polska pompey poncho
pontiac poodle pooh poohbear pookie poontang poop pooper poopie poopoo pooppoop pooter popcorn popeye porkchop
porsche porter portland portugal positive possum postal potato potter powder powell power powers precious predator
prelude presario presto preston pretty primus prince princes princess printer private privet prodigy profit psycho
pumpkin punisher punkin punkrock puppies puppy pupsik purple pussie pussies putter pyramid python qawsed qawsedrf
qazqaz qazwsx qazwsxed qazwsxedc qazxsw qazxswedc quality queen quincy qwaszx qweasd qweasdzxc qweqwe qwerasdf qwert
qwerty qwertyu qwertyui qwertyuio qwertyuiop rabbit racecar racerx rachael rachel racing rafael ragnarok raider
raiders railroad rainbow raistlin ralph rambler rammstein ramona ramses randall random randy ranger rangers raptor
rascal rasputin rastaman raven ravens raymond razz rbhbkk rctybz ready reagan reality reaper rebecca rebel rebels
redalert redbull reddog redhead redhot redman redneck redrum redskins redsox redwings reebok reggie regina remember
renault renegade rereirf rescue research respect retard retired revenge review rfhbyf rfnthbyf rfrfirf rfrnec
rhbcnbyf rhonda ricardo rich richard richards richie richmond rick ricky rightnow ripper river rjirfrgbde rjntyjr
roadkill robbie robert roberta roberto roberts robin robinson robotech rock rocker rocket rockets rockhard rockon
rocks rockstar rocky rodney roger rogers roland roller rolltide roman romance romashka romeo rommel ronald ronaldo
ronnie rookie rooster rootbeer roscoe rose rosebud rosemary rotten rovers roxanne rubber rugby rulez runner running
rupert rush ruslan russell russia russian rustam rusty ryan sabbath sabina sabine sabrina sadie safety sailboat
sailing sailor saint saints sakura sally salmon salvador samantha samiam sammie sammy sampson samson samsung samuel
samurai sanchez sanders sandiego sandman sandra sandro sandy santana santiago santos sapphire sara sarah saratoga
sasha sassy satan saturn saun sausage savage savannah sayang scarface scarlet scarlett school science scooby
scoobydo scooter scorpio scorpion scotch scotland scott scottie scotty scrappy scratch scream scruffy scully seamus
sean search seattle sebastia sebastian secret security seeker seinfeld select selena seminole semperfi sentinel
septembe september serega serena serenity sergei sergey sergio server service sesame seven shado shadow shaggy
shalom shaman shamrock shane shania shannon shaolin shark sharks sharon shasta shaved shazam shearer sheena sheila
shelby shelley shelly shemale sherlock sherman sherry sherwood shiloh shirley shogun shooter shopping short shorty
shotgun showme showtime sidney siemens sierra silver silvia simba simon simone simple simpson simpsons sinatra
singer single sinner sirius sister sithlord sixers skater skeeter skiing skinny skipper skippy skittles skorpion
skydive skyline skywalke skywalker slacker slappy slapshot slave slayer sleepy slick slider slipknot smile smiles
smiley smith smitty smoke smoker smokey smokin smooth smudge smut snake snakes snapper snatch snickers sniper
snoopdog snoopy snow snowball snowman snuggles sobaka soccer socrates softball software soldier soleil solnce
solomon somethin sommer sonic sony sooner sooners sophia sophie southern space spank spanking spankme spanky sparkle
sparks sparky sparta spartak spartan spartans speaker spears special spectrum speed speedy spencer spider spiderma
spiderman spidey spike spirit spitfire splash splinter spooky sport sports spring springer sprint sprite spunky
spurs spyder squirrel squirt srinivas stacey stalker stallion standard stanley star starbuck starcraft stardust
starfish stargate stars starship startrek starwars station stealth steele steeler steelers stefan stefano stella
stephani stephanie stephen sterlin sterling steve steven stevie stewart stick sticks sticky stimpy stinger stingray
stinky stocking stocks stolen stone stonecol stoner stones storm stormy stranger street strider strike striker
stripper strong stuart stud student studio stuff stupid subaru sublime subway success sugar sultan summer summit
sundance sunday sunny sunrise sunset sunshine super superfly superman superstar support surf surfer surfing susan
suzanne suzuki svetik svetlana swallow sweden sweet sweetie sweetpea sweets sweety swimmer swimming swinger swingers
sword swordfis swordfish sydney sylvia syracuse system tacobell tacoma tamara tammy tang tanker tanner tanya tara
tardis target tarheel tarheels tarzan tasha tatiana tattoo tatyana taurus taylor tazman tdutybq teacher technics
techno teddy teen teens tekken telefon temp tempest temple tennis tequila teresa terminal terminator terror terry
test tester testing testtest texas thailand thanks thankyou theboss thegame thekid theking theman theodore theone
theresa therock thomas thompson thor throat thuglife thumper thunder thursday tickle tiffany tiger tigers tigger
tight timber time timmy timothy tina tinker tinman tintin titanic titans titleist titties tobias toby today tolkien
tomato tomcat tommy tomtom tony tool tootsie topcat topdog topgun topper tornado toronto torres toshiba tottenha
toyota tracey tractor tracy traffic train trains trance transam travel travis treasure trebor tree trevor trfnthbyf
tricky trident trigger trinidad trinity tristan triton triumph trixie trojan trojans trombone trooper trouble trout
truck trucker trucks truelove trumpet trunks tsunami tucker tuesday tundra turbo turkey turner turtle tweety
twilight twisted twister tyler typhoon tyrone ultima ultimate umbrella underdog unicorn united universe unknown
unreal utopia vacation vader valentin valentina valera valeria valerie valhalla valley vampire vanessa vanhalen
vanilla vectra vegeta velvet venus verbatim veritas vermont vernon verona veronica veronika vertigo vette vfczyz
vfhbyf vfhecz vfksirf vfrcbv vfrcbvrf vfvekz vfvjxrf viagra victor victoria victory video viking vikings viktor
viktoria vincent violet viper vipers virgin virginia vision vitalik vivian vkontakte vladik vladimir vladislav
volley volume voodoo vortex voyager voyeur vulcan walker wallace walleye wally walnut walter wanker warcraft
warhammer warlock warlord warren warrior warriors water waterloo waters watson wayne weasel weather webmaster
webster weed weezer welcome wendy werewolf werner wesley western westham westside whatever wheels whiskey whisper
white whitney whocares whynot wibble wicked wilbur wildcat wildcats wildfire william williams willie willis willow
willy wilson window windows winner winnie winston winter wisdom wizard wolf wolfgang wolfie wolfman wolfpack
wolverin wolverine wolves wombat women wonder wood woody woofwoof wookie wordpass world wrangler wrestlin wright
writer wutang xanadu xavier xfiles xtreme yamaha yankee yankees ybrbnf yellow yfnfif yomama yosemite young yourmom
yvonne yzerman zachary zaphod zaqwsx zaqxsw zenith zeppelin zidane zipper zombie zorro zvezda zxcasd zxcasdqwe
zxcvbn zxcvbnm
`);

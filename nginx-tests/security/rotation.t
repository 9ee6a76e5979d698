# Key rotation with two nginx instances ("fronts") in front of the same servers, each with its own key file: the new key
# is added on top on the first front, then on the second; the old key is removed on the first, then on the second, with
# a reload for each step. Clients change the front with each request, and no session ever moves.
#
# The upstreams of the fronts have different names, but the same paths:
#   signed    sign                      fresh    the same, but timestamps are not renewed for an hour
#   keyed     hash=hmac                 both     hash=hmac and sign
#   prefix    mode=prefix hash=hmac     rewrite  mode=rewrite hash=hmac, with the application's cookie in each response
#   held      hash=hmac and sign, with a server run by the test

use Sticky qw(Fronts Keys Running);
use Digest::MD5 'md5_hex';
use POSIX ();
use Time::HiRes 'sleep';

our @forms = qw(signed fresh keyed both prefix rewrite);
our @fronts = qw(first second);
my %parameters = (
    signed => 'sign maxidle=1h', fresh => 'sign maxidle=2h refresh=1h', keyed => 'hash=hmac', both => 'hash=hmac sign maxlife=1h',
    prefix => 'mode=prefix hash=hmac', rewrite => 'mode=rewrite hash=hmac', held => 'hash=hmac sign maxidle=1h',
);
our $servers = servers(<<'_EOC_', qw(A B C));
location / { return 200 "NAME"; }
location /sets { add_header Set-Cookie "$arg_cookie=value; Path=/"; return 200 "NAME"; }
_EOC_

# With different weights, two fronts that only balance the load would not agree by chance.
sub front {
    my ($front) = @_;
    my $list = 'server 127.0.0.1:1985 weight=3; server 127.0.0.1:1986 weight=2; server 127.0.0.1:1987;';
    my $held = 'server 127.0.0.1:1991; server 127.0.0.1:1985 backup;';
    return "add_header X-Verdict \$session_sticky_verdict always;\n" . join '', map {
        "upstream ${_}_of_$front { " . (/held/ ? $held : $list) . " session_sticky cookie=$_ $parameters{$_} key_file=$keys/$front; }\n"
    } sort keys %parameters;
}

sub locations {
    my ($front) = @_;
    return join '', map { "location /$_/ { proxy_pass http://${_}_of_$front/; }\n" } sort keys %parameters;
}

# Clients: the name of the cookie, its value, the client's server, and the front of the next request.
our (@clients, @load);

sub other { my ($front) = @_; return $front eq 'first' ? 'second' : 'first' }

# Sends a client's request. Returns what is wrong, if anything.
sub request_of_client {
    my ($client) = @_;
    my ($form, $front) = @$client{qw(form front)};
    $client->{front} = other($front);
    my $cookie = defined $client->{value} ? "$form=$client->{value}" : undef;
    my $response = at($front, "/$form/" . ($form =~ /prefix|rewrite/ ? "sets?cookie=$form" : ''), $cookie);
    my $server = body($response);
    my $verdict = head('X-Verdict', $response);
    my $before = $client->{value};
    $client->{value} = bound($response) if set($response) ne '';
    if (!defined $before) {
        $client->{server} = $server;
        return $verdict eq 'none' && $server =~ /^[ABC]$/ ? '' : "$form, a first visit: $verdict, $server";
    }
    return '' if $verdict eq 'valid' && $server eq $client->{server};
    return "$form, session of $client->{server} at the $front front: $verdict, $server; its cookie is $before, by keys "
        . join '.', map { my $mac = $_; map { $mac eq mac($key[$_], $form, $before =~ s/\|[^|]*\z//r) ? $_ : () } 0 .. 3 } split /[|.]/, $before;
}

# Each client makes this many requests and new clients are added; no session may move.
sub everyone {
    my ($times, $what) = @_;
    my @wrong = grep { length } map { my $client = $_; map { request_of_client($client) } 1 .. $times } @clients;
    for my $front (@fronts) {
        my @new = map { {form => $_, front => $front} } @forms;
        push @wrong, grep { length } map { request_of_client($_), request_of_client($_) } @new;
        push @clients, @new;
    }
    equals(CORE::join("\n", @wrong), '', $what);
}

# The steps: a front, and its keys from that step on.
sub steps_to {
    my ($new, $old) = @_;
    return (['first', $new, $old], ['second', $new, $old], ['first', $new], ['second', $new]);
}

sub step {
    my ($front, @numbers) = @_;
    key_file($front, @key[@numbers]);
    holds(reload_front($front), "the $front front has keys @numbers");
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    key_file($_, $key[0]) for @fronts;
    $block->set_value(workers => 2);
    $block->set_value(http_config => $servers . front('first'));
    $block->set_value(config => locations('first'));
    my $client = client_of($block);
    $block->set_value(client => sub {
        second_front(front('second') . "server { listen 127.0.0.1:1982;\n" . locations('second') . "}\n");
        holds(reload_front('second'), 'the second front has its first key');
        @clients = ();
        $client->();
    });
});

no_shuffle();
master_on();
run_tests();

__DATA__

=== three rotations in sequence: no session moves
--- client
everyone(2, 'before');
for my $turn (1 .. 3) {
    for my $step (steps_to($turn, $turn - 1)) {
        step(@$step);
        everyone(2, "turn $turn, step @$step");
    }
}
holds(@clients > 150, scalar(@clients) . ' clients');
my ($keyed) = grep { $_->{form} eq 'keyed' } @clients;
equals($keyed->{value}, key_id($key[3], $keyed->{server}), 'a client present throughout has an ID with the last key only');
my ($signed) = grep { $_->{form} eq 'signed' } @clients;
equals($signed->{value}, signed('signed', $signed->{value} =~ s/\|[^|]*\z//r, $key[3]), 'its signature is made with the last key too');
my ($first) = $clients[0]{value} =~ /\|(\d+)\|[^|]*\z/;
holds($first < time, "the session's start time is kept");



=== one request is enough, after both fronts have the new key and before the old one is removed
--- client
everyone(2, 'before');
my ($add, $add_there, $remove, $remove_there) = steps_to(1, 0);
step(@$add);
step(@$add_there);
everyone(1, 'one request');
step(@$remove);
step(@$remove_there);
everyone(2, 'afterwards');



=== a client without a request in the meantime gets a new session and is not refused
--- client
everyone(2, 'before');
my @before = @clients;
@clients = ();
step(@$_) for steps_to(1, 0);
for my $client (@before) {
    my $form = $client->{form};
    my $response = at($client->{front}, "/$form/", "$form=$client->{value}");
    equals(head('X-Verdict', $response) . ' ' . status($response), ($form =~ /signed|fresh|both/ ? 'forged' : 'unknown') . ' 200', $form);
}



=== the old key is put back on top: undoing the rotation moves no session either
--- client
everyone(2, 'before');
for my $step (['first', 1, 0], ['second', 1, 0], ['first', 0, 1], ['second', 0, 1], ['first', 0], ['second', 0]) {
    step(@$step);
    everyone(2, "step @$step");
}



=== three keys at a time: all are accepted, two are used for new values
--- client
everyone(2, 'before');
for my $step (['first', 1, 0], ['second', 1, 0], ['first', 2, 1, 0], ['second', 2, 1, 0], ['first', 2, 1], ['second', 2, 1]) {
    step(@$step);
    everyone(2, "step @$step");
}



=== requests during the key changes
--- client
# Each process sends requests for its own clients in a loop, and writes its progress and errors to a file.
my $tests = $$;
@load = ();
for my $number (1 .. 3) {
    my $pid = fork // die "fork: $!\n";
    push(@load, $pid), next if $pid;
    my $go = 1;
    local $SIG{TERM} = sub { $go = 0 };
    my ($round, @wrong) = (0);
    while ($go && getppid == $tests) {
        # Some clients leave, others are added.
        splice @clients, 0, 4 if @clients > 40;
        push @clients, map { {form => $_, front => $fronts[$round % 2]} } @forms if $round % 4 == 0;
        for my $client (@clients) {
            my $wrong = eval { request_of_client($client) } // "no answer: $@";
            # The signal interrupts a pending request.
            push @wrong, $wrong if length $wrong && $go;
        }
        $round++;
        open my $file, '>', "$keys/load-$number.new" or POSIX::_exit(1);
        print $file "$round\n", map { "$_\n" } @wrong;
        close $file;
        rename "$keys/load-$number.new", "$keys/load-$number";
    }
    POSIX::_exit(0);
}
sub told { my ($number) = @_; open my $file, '<', "$keys/load-$number" or return 0; chomp(my @lines = readline $file); return @lines }
# Waits until each client has made two requests.
sub rounds {
    my @from = map { (told($_))[0] // 0 } 1 .. @load;
    return soon(sub { !grep { ((told($_))[0] // 0) < $from[$_ - 1] + 3 } 1 .. @load });
}
holds(rounds(), 'all processes make progress');
for my $turn (1, 2, 3) {
    for my $step (steps_to($turn, $turn - 1)) {
        step(@$step);
        holds(rounds(), 'all processes make progress');
    }
}
kill TERM => @load;
waitpid $_, 0 for @load;
for my $number (1 .. @load) {
    my ($rounds, @wrong) = told($number);
    equals(CORE::join("\n", @wrong), '', "process $number, $rounds rounds: no session moves");
}



=== a request held by an old worker gets a cookie with the old key, which both fronts accept until that key is removed
--- client
my $held = serve(1991);
my $address = '127.0.0.1:1991';
my $now = time - 10;
my $value = sub { my @keys = @_; return signed('held', CORE::join('|', key_ids($address, @keys), $now, $now), @keys) };
my $asked = ask('/held/', 'held=' . $value->($key[0]), 1984);
my $taken = taken($held);
step('first', 1, 0);
step('second', 1, 0);
my $other = ask('/held/', 'held=' . $value->($key[0]), 1984);
my $taken_now = taken($held);
answer($taken, 'old');
answer($taken_now, 'new');
my ($old, $new) = map { response($_) } $asked, $other;
equals(body($old) . body($new), 'oldnew', 'both are answered');
my ($by_old, $by_new) = map { bound($_) } $old, $new;
equals($by_old, signed('held', $by_old =~ s/\|[^|]*\z//r, $key[0]), 'the old worker uses the old key');
equals($by_new, signed('held', $by_new =~ s/\|[^|]*\z//r, @key[1, 0]), 'the new worker uses both keys');
for my $front (@fronts) {
    for my $cookie ($by_old, $by_new) {
        $asked = ask('/held/', "held=$cookie", $front eq 'first' ? 1984 : 1982);
        answer(taken($held), 'held');
        my $response = response($asked);
        equals(head('X-Verdict', $response) . ' ' . body($response), 'valid held', "the $front front accepts either cookie");
    }
}



=== a changed key file has no effect before a reload, even if a worker is restarted
--- client
everyone(2, 'before');
key_file('first', $key[2]);
everyone(2, 'the file has another key');
unlink "$keys/first";
everyone(2, 'the file is gone');
my @before = children();
kill TERM => $before[0];
eventually(sub { my @now = children(); @now == 2 && !grep { $_ eq $before[0] } @now }, 'a worker exits and is replaced');
everyone(2, 'the new worker has the previous keys');
my ($keyed) = grep { $_->{form} eq 'keyed' } reverse @clients;
equals($keyed->{value}, key_id($key[0], $keyed->{server}), 'it makes IDs with them');



=== an invalid or missing key file: nginx keeps its current keys
--- client
everyone(2, 'before');
my $reloads = 0;
for my $bad (undef, [], ['short'], [@key, 'short'], [map { "the key number $_ of too many" } 1 .. 9]) {
    if ($bad) { key_file('first', @$bad) } else { unlink "$keys/first" }
    kill HUP => master();
    $reloads++;
    eventually(sub { log_lines(qr/\[emerg\].*could not use key_file/) == $reloads }, 'a reload is rejected');
    everyone(2, 'no session moves');
}
holds(!(grep { my $line = $_; grep { $line =~ /\Q$_\E/ } @key, 'short"', 'of too many' } log_lines(qr/./)), 'the log contains no key');
key_file('first', @key[1, 0]);
holds(reload_front('first'), 'a valid file is accepted');
everyone(2, 'again, no session moves');
my ($keyed) = grep { $_->{form} eq 'keyed' && $_->{front} eq 'second' } reverse @clients;
equals(scalar(() = $keyed->{value} =~ /\./g), 1, 'the IDs are made with both keys');
--- error_log
could not use key_file
--- no_error_log
[alert]
[crit]
